#include "tests/chaos/plan/channel_wire.h"

#include <algorithm>

namespace seaward::chaos {

void ChannelWire::Takes(std::string_view bytes) {
  history_ += bytes;
  if (history_.size() > kHistory) history_.erase(0, history_.size() - kHistory);
  const std::size_t lost = std::min(to_lose_, bytes.size());
  to_lose_ -= lost;
  waiting_ += bytes.substr(lost);
}

}  // namespace seaward::chaos
