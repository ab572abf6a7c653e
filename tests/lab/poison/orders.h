// The orders that seaward-poison takes, one line each, and its answers. Text in, text out.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "tests/lab/poison/poisoner.h"

namespace seaward::lab {

inline constexpr std::string_view kOrders =
    "poison GPA BACKING [located | fnv | walk:LEVEL] [uncontainable] | heal GPA | list | "
    "tables GPA BACKING | quit";

// "ok ..." or "error ...", without the newline; `good` says which. Each names the method in use.
struct Answer {
  std::string line;
  bool good = true;
};
Answer Obey(Poisoner& poisoner, std::string_view order);

}  // namespace seaward::lab
