#include "host-notifier/app/held_vcpus.h"

namespace seaward {

void HeldVcpus::Begin(const Vcpu& vcpu) {
  holds_[LaneOf(vcpu)] = {vcpu.token.index, std::nullopt};
}

void HeldVcpus::WaitFor(const Vcpu& vcpu, const ByteRange& page) {
  const auto hold = holds_.find(LaneOf(vcpu));
  if (hold != holds_.end() && hold->second.index == vcpu.token.index) hold->second.page = page;
}

bool HeldVcpus::End(const Vcpu& vcpu) {
  const auto hold = holds_.find(LaneOf(vcpu));
  if (hold == holds_.end() || hold->second.index != vcpu.token.index) return false;
  holds_.erase(hold);
  return true;
}

std::vector<HeldVcpus::Vcpu> HeldVcpus::WaitingFor(const ByteRange& judged) const {
  std::vector<Vcpu> vcpus;
  for (const auto& [lane, hold] : holds_)
    if (hold.page && hold.page->Overlaps(judged))
      vcpus.push_back({lane.first, {.lane = lane.second, .index = hold.index}});
  return vcpus;
}

void HeldVcpus::RingEnded(std::uint64_t ring) {
  std::erase_if(holds_, [ring](const auto& hold) { return hold.first.first == ring; });
}

}  // namespace seaward
