// Figures of a test, for people and, with $SEAWARD_FIGURES naming a file, for `./dev bench guest`.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace seaward::testing {

// `value`: any number; one line of the file each.
template <class Number>
void Figure(const std::string& name, Number value) {
  const std::string text = fmt::format("{}", value);
  std::printf("%s=%s\n", name.c_str(), text.c_str());
  const char* file = std::getenv("SEAWARD_FIGURES");
  if (file != nullptr) std::ofstream(file, std::ios::app) << name << ' ' << text << '\n';
}

}  // namespace seaward::testing
