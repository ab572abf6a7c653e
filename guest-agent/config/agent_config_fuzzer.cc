#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest-agent/config/agent_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = seaward::agent::ParseAgentConfig("agent.yaml", text);
  // A file is either taken or refused with reasons.
  if (!config && config.error().empty()) __builtin_trap();
  return 0;
}
