// The list as GRUB understands it: `badram` in a file that its configuration sources. Pure.
#pragma once

#include <string>
#include <string_view>

#include "guest-agent/preboot/list_file.h"

namespace seaward::agent {

struct GrubList {
  std::string text;
  std::size_t pages = 0;
  std::size_t left_out = 0;  // beyond what badram takes, or perhaps the firmware's
};

// GRUB 2.12 reads 200 pairs in one line, and takes seconds for more.
inline constexpr std::size_t kGrubMaxPages = 200;

GrubList RenderGrubList(const StoredList& list);

// What /etc/grub.d/06_seaward prints, as that script.
std::string GrubScript();

}  // namespace seaward::agent
