// Any bytes as notifier.yaml: a value or diagnostics, never an exception, a hang or a crash.
#include <cstddef>
#include <cstdint>

#include "host-notifier/config/notifier_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = seaward::config::ParseNotifierConfig("notifier.yaml", text);
  if (!loaded && loaded.error().empty()) __builtin_trap();
  return 0;
}
