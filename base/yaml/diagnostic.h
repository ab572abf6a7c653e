// What is wrong with a file that a person wrote, and where.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seaward::yaml {

// 1-based, columns in bytes. Line 0: the file as a whole.
struct Position {
  int line = 0;
  int column = 0;
  auto operator<=>(const Position&) const = default;
};

// A value and where it stands; a defaulted value stands where its map begins.
template <class T>
struct Located {
  T value{};
  Position at;
};

struct Diagnostic {
  std::string file;
  Position at;
  std::string text;

  // "notifier.yaml:14:7: error: unknown key 'x'; did you mean 'y'?"
  std::string Render() const;
};

// A validated value, or everything that is wrong with its file, in the order of the lines.
template <class T>
using Loaded = Expected<T, std::vector<Diagnostic>>;

// One diagnostic a line, each ended by a newline.
std::string Render(const std::vector<Diagnostic>& diagnostics);

// "; did you mean 'y'?" for the candidate nearest to `word`, or "" when none is near enough.
std::string SuggestionFor(std::string_view word, std::span<const std::string> candidates);

}  // namespace seaward::yaml
