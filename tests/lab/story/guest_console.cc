#include "tests/lab/story/guest_console.h"

namespace seaward::lab {
namespace {

std::uint64_t Count(std::string_view text, std::string_view what) {
  std::uint64_t count = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

}  // namespace

ConsoleSigns ReadConsole(std::string_view text) {
  return {.panics = Count(text, "Kernel panic - not syncing"),
          .external_aborts = Count(text, "Internal error: synchronous external abort"),
          .in_clear_page = Count(text, "pc : clear_page") + Count(text, "pc : __pi_clear_page")};
}

}  // namespace seaward::lab
