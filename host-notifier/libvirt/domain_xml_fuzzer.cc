// Any bytes as what libvirt says of a domain: its XML, its status file, its metadata. The guest's
// owner writes much of it. A description or an error, never an exception or a crash.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "host-notifier/libvirt/chaos_mark.h"
#include "host-notifier/libvirt/domain_description.h"
#include "host-notifier/libvirt/domain_policy.h"
#include "host-notifier/libvirt/domain_setup.h"

namespace {

constexpr char kChannel[] = "org.seaward.agent.0";

template <class T>
void Refusal(const seaward::Result<T>& parsed) {
  if (!parsed && parsed.error().Text().empty()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seaward;  // NOLINT(google-build-using-namespace)
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  Refusal(ParseDomainXml(xml, kChannel));
  Refusal(ParseDomainStatus(xml, kChannel));
  Refusal(ParseDomainSetup(xml, kChannel));
  const auto words = ChaosWordsOf(xml);
  Refusal(words);
  if (words)
    for (const auto& word : *words)
      if (word.empty()) __builtin_trap();
  (void)PolicyTextOf(xml);
  return 0;
}
