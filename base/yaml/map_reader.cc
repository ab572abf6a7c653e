#include "base/yaml/map_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/file_io.h"

namespace seaward::yaml {
namespace {

// A hostile or wrong file must not bury its first errors.
constexpr std::size_t kMaxDiagnostics = 100;

std::string_view Name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "a single value";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kList:
      return "a list";
  }
  return "";
}

bool HasControlBytes(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

// "10m" for a key that ends in _s -> "; did you mean 600?"; "" where that cannot be said exactly.
std::string InUnitOf(std::string_view key, std::string_view text) {
  using Units = std::vector<std::pair<std::string_view, std::uint64_t>>;
  static const std::pair<std::string_view, Units> kFamilies[] = {
      {"_ms", {{"ms", 1}, {"s", 1000}, {"sec", 1000}, {"m", 60'000}, {"min", 60'000}}},
      {"_s",
       {{"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86'400}, {"w", 604'800}}},
      {"_mib", {{"MiB", 1}, {"M", 1}, {"GiB", 1024}, {"G", 1024}}},
      {"_bytes", {{"B", 1}, {"KiB", 1024}, {"K", 1024}, {"MiB", 1 << 20}, {"M", 1 << 20}}},
      {"_percent", {{"%", 1}}}};
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  constexpr std::uint64_t kMost = 1'000'000'000;  // keeps the product exact
  if (error != std::errc() || count > kMost) return "";
  for (const auto& [suffix, units] : kFamilies) {
    if (!key.ends_with(suffix)) continue;
    for (const auto& [name, factor] : units)
      if (unit == name) return fmt::format("; did you mean {}?", count * factor);
  }
  return "";
}

}  // namespace

void Loading::Refuse(Position at, std::string text) {
  if (describing_) return;
  if (diagnostics_.size() >= kMaxDiagnostics) {
    ++unsaid_;
    return;
  }
  diagnostics_.push_back({file_, at, std::move(text)});
}

void Loading::Describe(KeySpec key) {
  if (describing_) keys_.push_back(std::move(key));
}

std::vector<Diagnostic> Loading::TakeDiagnostics() {
  std::ranges::stable_sort(diagnostics_, {}, &Diagnostic::at);
  if (unsaid_ > 0) diagnostics_.push_back({file_, {}, fmt::format("and {} more errors", unsaid_)});
  unsaid_ = 0;
  return std::exchange(diagnostics_, {});
}

MapReader::MapReader(Loading& loading, const Node* node, std::string path, Position at)
    : loading_(loading), node_(node), path_(std::move(path)), at_(at) {
  if (node_ == nullptr || node_->kind == Node::Kind::kMap) return;
  if (node_->kind != Node::Kind::kNull)
    loading_.Refuse(node_->at,
                    path_.empty()
                        ? fmt::format("want a map, found {}", Name(node_->kind))
                        : fmt::format("'{}' must be a map, found {}", path_, Name(node_->kind)));
  node_ = nullptr;
}

MapReader::~MapReader() {
  if (node_ == nullptr) return;
  for (const Located<std::string>& key : node_->keys)
    if (std::ranges::find(asked_, key.value) == asked_.end())
      loading_.Refuse(
          key.at, fmt::format("unknown key '{}'{}", key.value, SuggestionFor(key.value, asked_)));
}

const Node* MapReader::Find(std::string_view key) const {
  if (node_ == nullptr) return nullptr;
  const auto found = std::ranges::find(node_->keys, key, &Located<std::string>::value);
  if (found == node_->keys.end()) return nullptr;
  return &node_->children[static_cast<std::size_t>(found - node_->keys.begin())];
}

bool MapReader::Has(std::string_view key) const {
  return Find(key) != nullptr;
}

std::string MapReader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const Node* MapReader::Ask(std::string_view key, std::string type, std::string default_value) {
  asked_.emplace_back(key);
  loading_.Describe({PathOf(key), std::move(type), std::move(default_value)});
  return Find(key);
}

Located<std::string> MapReader::Scalar(std::string_view key, std::string type,
                                       std::optional<std::string> fallback) {
  const bool required = !fallback;
  const Node* node = Ask(key, std::move(type), fallback.value_or("required"));
  if (node == nullptr) {
    if (required) Refuse(at_, fmt::format("missing key '{}'", PathOf(key)));
    return {std::move(fallback).value_or(""), at_};
  }
  if (node->kind == Node::Kind::kScalar && !HasControlBytes(node->text))
    return {node->text, node->at};
  Refuse(node->at,
         node->kind == Node::Kind::kScalar
             ? fmt::format("'{}' holds control characters", PathOf(key))
             : fmt::format("'{}' must be a single value, found {}", PathOf(key), Name(node->kind)));
  return {std::move(fallback).value_or(""), node->at};
}

Located<std::string> MapReader::Text(std::string_view key, std::optional<std::string> fallback) {
  const bool required = !fallback;
  Located<std::string> text = Scalar(key, "text", std::move(fallback));
  const Node* node = Find(key);
  if (required && node != nullptr && node->kind == Node::Kind::kScalar && node->text.empty())
    Refuse(text.at, fmt::format("'{}' is empty", PathOf(key)));
  return text;
}

Located<std::string> MapReader::Path(std::string_view key, std::optional<std::string> fallback) {
  Located<std::string> path = Scalar(key, "path", std::move(fallback));
  const Node* node = Find(key);
  if (node != nullptr && node->kind == Node::Kind::kScalar && !path.value.starts_with('/'))
    Refuse(path.at, fmt::format("'{}' is not an absolute path: '{}'", PathOf(key), path.value));
  return path;
}

Located<bool> MapReader::Flag(std::string_view key, std::optional<bool> fallback) {
  const std::optional<std::string> written =
      fallback ? std::optional<std::string>(*fallback ? "true" : "false") : std::nullopt;
  const Located<std::string> text = Scalar(key, "bool", written);
  const Node* node = Find(key);
  const bool readable = node != nullptr && node->kind == Node::Kind::kScalar;
  if (readable && (!node->plain || (text.value != "true" && text.value != "false")))
    Refuse(text.at, fmt::format("'{}' must be true or false, found '{}'", PathOf(key), text.value));
  return {text.value == "true", text.at};
}

Located<std::uint64_t> MapReader::Integer(std::string_view key,
                                          std::optional<std::uint64_t> fallback,
                                          Range<std::uint64_t> range) {
  const std::optional<std::string> written =
      fallback ? std::optional(std::to_string(*fallback)) : std::nullopt;
  const Located<std::string> text = Scalar(key, "integer", written);
  const Located<std::uint64_t> stand_in{fallback.value_or(range.min), text.at};
  const Node* node = Find(key);
  if (node == nullptr || node->kind != Node::Kind::kScalar) return stand_in;
  std::uint64_t value = 0;
  const char* end = text.value.data() + text.value.size();
  const auto [stop, error] = std::from_chars(text.value.data(), end, value);
  if (!node->plain || error == std::errc::invalid_argument || stop != end) {
    Refuse(text.at, fmt::format("'{}' must be a whole number, found '{}'{}", PathOf(key),
                                text.value, InUnitOf(key, text.value)));
    return stand_in;
  }
  if (error == std::errc() && value >= range.min && value <= range.max) return {value, text.at};
  Refuse(text.at,
         fmt::format("'{}' is {}; want {} to {}", PathOf(key), text.value, range.min, range.max));
  return stand_in;
}

Located<std::size_t> MapReader::Word(std::string_view key, const std::vector<std::string>& words,
                                     std::optional<std::size_t> fallback) {
  const Located<std::string> text =
      Scalar(key, fmt::format("{}", fmt::join(words, "|")),
             fallback ? std::optional(words[*fallback]) : std::nullopt);
  const auto found = std::ranges::find(words, text.value);
  if (found != words.end()) return {static_cast<std::size_t>(found - words.begin()), text.at};
  if (Has(key))  // otherwise it was called missing
    Refuse(text.at,
           fmt::format("'{}' must be one of {}, found '{}'{}", PathOf(key), fmt::join(words, ", "),
                       text.value, SuggestionFor(text.value, words)));
  return {fallback.value_or(0), text.at};
}

Located<std::vector<Located<std::string>>> MapReader::TextList(std::string_view key) {
  const Node* node = Ask(key, "list of text", "[]");
  if (node == nullptr || node->kind == Node::Kind::kNull) return {{}, at_};
  Located<std::vector<Located<std::string>>> list{{}, node->at};
  if (node->kind != Node::Kind::kList) {
    Refuse(node->at, fmt::format("'{}' must be a list, found {}", PathOf(key), Name(node->kind)));
    return list;
  }
  for (const Node& item : node->children) {
    if (item.kind == Node::Kind::kScalar && !HasControlBytes(item.text))
      list.value.push_back({item.text, item.at});
    else
      Refuse(item.at, fmt::format("an item of '{}' must be a printable single value", PathOf(key)));
  }
  return list;
}

MapReader MapReader::Map(std::string_view key) {
  asked_.emplace_back(key);
  const Node* node = Find(key);
  return MapReader(loading_, node, PathOf(key), node == nullptr ? at_ : node->at);
}

void MapReader::ForEach(std::string_view key, const std::function<void(MapReader&)>& read) {
  const Node* node = Ask(key, "list", "[]");
  const std::string path = PathOf(key) + "[]";
  if (loading_.describing()) {
    MapReader sample(loading_, nullptr, path, at_);
    return read(sample);
  }
  if (node == nullptr || node->kind == Node::Kind::kNull) return;
  if (node->kind != Node::Kind::kList)
    return Refuse(node->at,
                  fmt::format("'{}' must be a list, found {}", PathOf(key), Name(node->kind)));
  for (const Node& item : node->children) {
    MapReader reader(loading_, &item, path, item.at);
    read(reader);
  }
}

std::vector<Diagnostic> ReadDocument(const std::string& file, std::string_view text,
                                     const std::function<void(MapReader&)>& read) {
  Loading loading(file);
  const Node root = ParseDocument(
      text, [&](Position at, std::string what) { loading.Refuse(at, std::move(what)); });
  // After a syntax error there is nothing to read, and every required key would be called missing.
  std::vector<Diagnostic> wrong = loading.TakeDiagnostics();
  if (!wrong.empty() && root.kind == Node::Kind::kNull) return wrong;
  for (Diagnostic& diagnostic : wrong) loading.Refuse(diagnostic.at, std::move(diagnostic.text));
  {
    MapReader top(loading, &root, "", {1, 1});
    read(top);
  }
  return loading.TakeDiagnostics();
}

std::vector<Diagnostic> ReadDocumentFile(const std::string& path,
                                         const std::function<void(MapReader&)>& read) {
  const Result<std::string> text = ReadTextFile(path, kMaxFileBytes);
  if (text) return ReadDocument(path, *text, read);
  Loading loading(path);
  const std::string& context = text.error().context;
  const bool named = context.starts_with(path + ": ");
  loading.Refuse({}, text.error().sys_errno != 0
                         ? Error{text.error().code, text.error().sys_errno, "cannot be read"}.Text()
                         : (named ? context.substr(path.size() + 2) : context));
  return loading.TakeDiagnostics();
}

std::vector<KeySpec> DescribeKeys(const std::function<void(MapReader&)>& read) {
  Loading loading("", true);
  {
    MapReader top(loading, nullptr, "", {});
    read(top);
  }
  return loading.TakeKeys();
}

}  // namespace seaward::yaml
