// What a guest's console shows about its end. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace seaward::lab {

struct ConsoleSigns {
  std::uint64_t panics = 0;
  std::uint64_t external_aborts = 0;  // oopses with that reason
  std::uint64_t in_clear_page = 0;    // of the kernel's clearing of a page that it hands out
  // The syndrome of the first abort that it tells: why it killed a process (with
  // debug.exception-trace), or itself.
  std::optional<std::uint64_t> first_esr;
};

ConsoleSigns ReadConsole(std::string_view text);

}  // namespace seaward::lab
