#include "tests/lab/story/narrator.h"

#include <fmt/format.h>

namespace seaward::lab {

void Narrator::Chapter(const std::string& title) {
  transcript_.Add("chapter", {{"title", title}});
  std::fputs(fmt::format("\n{}\n", title).c_str(), screen_);
  std::fflush(screen_);
}

void Narrator::Say(const std::string& line) {
  transcript_.Add("said", {{"line", line}});
  std::fputs(fmt::format("{:6.1f} s  {}\n", transcript_.SecondsSoFar(), line).c_str(), screen_);
  std::fflush(screen_);
}

}  // namespace seaward::lab
