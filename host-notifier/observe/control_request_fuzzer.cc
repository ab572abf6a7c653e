// Any bytes as a request: understood or refused with a reason, never a crash.
#include <cstddef>
#include <cstdint>

#include "host-notifier/observe/control_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto request = seaward::observe::ParseControlRequest(line);
  if (!request && request.error().context.empty()) __builtin_trap();
  return 0;
}
