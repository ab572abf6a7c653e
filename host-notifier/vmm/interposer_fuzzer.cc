// Any sequence of exits, register values, refusals and memory layouts: the interposer answers each
// exit once, in bounds, and never on the VMM's account.
#include <cstdlib>

#include "host-notifier/vmm/exit_play_fixture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  seaward::vmm::ExitPlay play(std::as_bytes(std::span(data, size)), [](bool holds, const char*) {
    if (!holds) std::abort();
  });
  play.Play();
  return 0;
}
