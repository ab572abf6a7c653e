#include "tests/lab/story/guest_console.h"

#include <algorithm>
#include <charconv>

namespace seaward::lab {
namespace {

std::uint64_t Count(std::string_view text, std::string_view what) {
  std::uint64_t count = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

// "victim[7]: unhandled exception: DABT (lower EL), ESR 0x0000000092000017, ..." of a process,
// "Internal error: synchronous external abort: 0000000096000010 [#1]  SMP" of the kernel.
std::optional<std::uint64_t> FirstSyndrome(std::string_view text) {
  constexpr std::string_view kOfProcess = "unhandled exception: ", kEsr = "ESR 0x";
  constexpr std::string_view kOfKernel = "Internal error: ";
  const auto process = text.find(kOfProcess), kernel = text.find(kOfKernel);
  if (process == kernel) return std::nullopt;  // neither
  text.remove_prefix(std::min(process, kernel));
  text = text.substr(0, text.find('\n'));
  const auto mark = process < kernel ? text.find(kEsr) : text.rfind(": ");
  if (mark == std::string_view::npos) return std::nullopt;
  const auto digits = text.substr(mark + (process < kernel ? kEsr.size() : 2));
  std::uint64_t esr = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), esr, 16);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return esr;
}

}  // namespace

ConsoleSigns ReadConsole(std::string_view text) {
  return {.panics = Count(text, "Kernel panic - not syncing"),
          .external_aborts = Count(text, "Internal error: synchronous external abort"),
          .in_clear_page = Count(text, "pc : clear_page") + Count(text, "pc : __pi_clear_page"),
          .first_esr = FirstSyndrome(text)};
}

}  // namespace seaward::lab
