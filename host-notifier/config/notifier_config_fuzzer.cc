// Any bytes as notifier.yaml, and as the policy of a domain: a value or diagnostics, never an
// exception, a hang or a crash.
#include <cstddef>
#include <cstdint>

#include "host-notifier/config/notifier_config.h"
#include "host-notifier/config/policy_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = seaward::config::ParseNotifierConfig("notifier.yaml", text);
  if (!loaded && loaded.error().empty()) __builtin_trap();
  const auto policy = seaward::config::ParseVmPolicy("domain", text, {}, "vm", true);
  if (!policy && policy.error().empty()) __builtin_trap();
  return 0;
}
