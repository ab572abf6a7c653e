#include "base/yaml/document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>

namespace seaward::yaml {
namespace {

Position At(const YAML::Mark& mark) {
  return mark.is_null() ? Position{1, 1} : Position{mark.line + 1, mark.column + 1};
}

// Ends a parse from inside yaml-cpp; never leaves this file.
struct TooDeep {
  Position at;
};

// Builds the tree from yaml-cpp's events, so that keys keep their places and duplicates stay
// visible; yaml-cpp's own nodes lose both.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Report report) : report_(std::move(report)) { open_.emplace_back(); }

  Node TakeRoot() {
    return open_.front().node.children.empty() ? Node{.at = {1, 1}}
                                               : std::move(open_.front().node.children.front());
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(Node{.kind = Node::Kind::kNull, .at = At(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    report_(At(mark), "aliases are not supported");
    Add(Node{.kind = Node::Kind::kNull, .at = At(mark)});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    Add(Node{.kind = Node::Kind::kScalar, .at = At(mark), .text = value, .plain = tag == "?"});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Node::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A collection whose end has not been seen. In a map, keys and values arrive in turn.
  struct Collection {
    Node node;
    bool has_key = false;
    bool drop_value = false;  // its key was refused
    Located<std::string> key;
  };

  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) report_(At(mark), "anchors are not supported");
  }
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") report_(At(mark), "tags are not supported");
  }
  void Open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (open_.size() > kMaxDepth) throw TooDeep{At(mark)};
    open_.push_back({.node = Node{.kind = kind, .at = At(mark)}, .key = {}});
  }
  void Close() {
    Node done = std::move(open_.back().node);
    open_.pop_back();
    Add(std::move(done));
  }
  void Add(Node node) {
    Collection& parent = open_.back();
    if (parent.node.kind != Node::Kind::kMap) {
      parent.node.children.push_back(std::move(node));
    } else if (!parent.has_key) {
      AddKey(parent, std::move(node));
    } else {
      parent.has_key = false;
      if (parent.drop_value) return;
      parent.node.keys.push_back(std::move(parent.key));
      parent.node.children.push_back(std::move(node));
    }
  }
  void AddKey(Collection& map, Node node) {
    map.has_key = true;
    map.drop_value = true;
    if (node.kind != Node::Kind::kScalar) return report_(node.at, "a key must be a word");
    const auto earlier = std::ranges::find(map.node.keys, node.text, &Located<std::string>::value);
    if (earlier != map.node.keys.end())
      return report_(node.at, fmt::format("duplicate key '{}'; first on line {}", node.text,
                                          earlier->at.line));
    map.drop_value = false;
    map.key = {std::move(node.text), node.at};
  }

  Report report_;
  std::vector<Collection> open_;  // the bottom one is no node of the file
};

void RefuseMoreDocuments(YAML::Parser& parser, const Report& report) {
  TreeBuilder ignored([](Position, const std::string&) {});
  if (parser.HandleNextDocument(ignored)) report({0, 0}, "holds more than one YAML document");
}

// What yaml-cpp would pass over or call by other names. False when something was reported.
bool HasPlainBytes(std::string_view text, const Report& report) {
  bool plain = true;
  const auto refuse = [&](int line, std::size_t column, const char* what) {
    report({line, static_cast<int>(column) + 1}, what);
    plain = false;
  };
  int line = 0;
  while (!text.empty()) {
    ++line;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view now = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const auto nul = now.find('\0'); nul != std::string_view::npos)
      refuse(line, nul, "a NUL byte; nothing behind it would be read");
    const std::size_t first = now.find_first_not_of(" \t\r");
    const std::size_t tab = now.find('\t');
    if (first != std::string_view::npos && tab < first && now[first] != '#')
      refuse(line, tab, "a tab indents this line; want spaces");
  }
  return plain;
}

}  // namespace

Node ParseDocument(std::string_view text, const Report& report) {
  Node nothing{.at = {1, 1}};
  if (text.size() > kMaxFileBytes) {
    report({0, 0}, fmt::format("longer than {} bytes", kMaxFileBytes));
    return nothing;
  }
  if (!HasPlainBytes(text, report)) return nothing;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(report);
    if (!parser.HandleNextDocument(builder)) return nothing;
    RefuseMoreDocuments(parser, report);
    return builder.TakeRoot();
  } catch (const YAML::Exception& e) {
    report(At(e.mark), e.msg);
  } catch (const TooDeep& e) {
    report(e.at, fmt::format("nested deeper than {} levels", kMaxDepth));
  } catch (const std::exception& e) {
    report({0, 0}, fmt::format("cannot be parsed: {}", e.what()));
  }
  return nothing;
}

}  // namespace seaward::yaml
