// Text -> a tree of located nodes. The only part of the tree that sees yaml-cpp, whose exceptions
// end here. Aliases, anchors, tags and further documents are refused: a configuration needs none of
// them, and aliases make small files unfold into huge ones.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml/diagnostic.h"

namespace seaward::yaml {

inline constexpr std::size_t kMaxFileBytes = std::size_t{256} << 10;
inline constexpr std::size_t kMaxDepth = 16;

struct Node {
  enum class Kind { kNull, kScalar, kMap, kList };

  Kind kind = Kind::kNull;
  Position at;
  std::string text{};                        // of a scalar
  bool plain = false;                        // a scalar without quotes
  std::vector<Located<std::string>> keys{};  // of a map: unique, one per child
  std::vector<Node> children{};              // values of a map, items of a list
};

using Report = std::function<void(Position, std::string)>;

// What could be read of `text`; everything wrong with it goes to `report`. An empty text is a null
// node at 1:1. After a syntax error the tree holds nothing.
Node ParseDocument(std::string_view text, const Report& report);

}  // namespace seaward::yaml
