// Located nodes -> checked values. A configuration is one function over a MapReader:
//
//   AgentConfig Read(yaml::MapReader& top) {
//     AgentConfig c;
//     c.journal = top.Path("journal", "/var/lib/seaward/journal").value;
//     yaml::MapReader early = top.Map("early");
//     c.early_wait = early.Duration<std::chrono::milliseconds>("wait_ms", 500ms, {0ms, 10s}).value;
//     return c;
//   }
//   Loaded<AgentConfig> loaded = yaml::LoadFile<AgentConfig>(path, Read);
//
// Reading never stops at an error: every value has a stand-in, all errors come back at once, and
// the result of `Read` is thrown away when there is one. Keys nobody asked for are errors, found
// when the reader of their map goes out of scope. Describe(Read) runs the same function to learn
// which keys exist: the documents are checked against that.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/yaml/diagnostic.h"
#include "base/yaml/document.h"

namespace seaward::yaml {

// One key that a configuration accepts.
struct KeySpec {
  std::string path;           // "session.heartbeat_s", "static_vms[].name"
  std::string type;           // "path", "text", "bool", "integer", "auto|off", "list", ...
  std::string default_value;  // as it is written in YAML; "required" when there is none
};

template <class T>
struct Range {
  T min;
  T max;
};

// State of one loading of one file. Used by MapReader; callers meet Load and Describe.
class Loading {
 public:
  explicit Loading(std::string file, bool describing = false)
      : file_(std::move(file)), describing_(describing) {}
  void Refuse(Position at, std::string text);
  void Describe(KeySpec key);
  bool describing() const { return describing_; }
  std::vector<Diagnostic> TakeDiagnostics();  // in the order of the lines
  std::vector<KeySpec> TakeKeys() { return std::move(keys_); }

 private:
  std::string file_;
  bool describing_;
  std::size_t unsaid_ = 0;  // beyond the cap on diagnostics
  std::vector<Diagnostic> diagnostics_;
  std::vector<KeySpec> keys_;
};

class MapReader {
 public:
  // `node` is null for a map that the file leaves out. Both must outlive the reader.
  MapReader(Loading& loading, const Node* node, std::string path, Position at);
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;
  ~MapReader();  // refuses the keys that nobody asked for

  // Where the map begins, and a way to refuse what only the caller can judge.
  Position at() const { return at_; }
  void Refuse(Position at, std::string text) { loading_.Refuse(at, std::move(text)); }

  // Without a fallback (nullopt) the key is required. Text holds no control bytes.
  Located<std::string> Text(std::string_view key, std::optional<std::string> fallback);
  // Absolute.
  Located<std::string> Path(std::string_view key, std::optional<std::string> fallback);
  // true or false.
  Located<bool> Flag(std::string_view key, std::optional<bool> fallback);
  // Decimal.
  Located<std::uint64_t> Integer(std::string_view key, std::optional<std::uint64_t> fallback,
                                 Range<std::uint64_t> range);
  Located<std::vector<Located<std::string>>> TextList(std::string_view key);

  // An integer counting `Unit`s; the key's name ends in the unit (_ms, _s).
  template <class Unit>
  Located<Unit> Duration(std::string_view key, std::optional<Unit> fallback, Range<Unit> range) {
    std::optional<std::uint64_t> count;
    if (fallback) count = static_cast<std::uint64_t>(fallback->count());
    const auto ticks = Integer(key, count,
                               {static_cast<std::uint64_t>(range.min.count()),
                                static_cast<std::uint64_t>(range.max.count())});
    return {Unit(static_cast<typename Unit::rep>(ticks.value)), ticks.at};
  }

  // One word of a closed list.
  template <class E>
  using Words = std::span<const std::pair<std::string_view, E>>;
  template <class E>
  Located<E> Choice(std::string_view key, Words<E> words, std::optional<E> fallback) {
    std::vector<std::string> names;
    std::optional<std::size_t> chosen;
    for (const auto& [name, value] : words) {
      if (fallback && value == *fallback) chosen = names.size();
      names.emplace_back(name);
    }
    const Located<std::size_t> index = Word(key, names, chosen);
    return {words[index.value].second, index.at};
  }

  // A text that `parse` (Result<T>(std::string_view)) understands; `type` names it in documents.
  template <class T>
  Located<T> Parsed(std::string_view key, std::string_view type,
                    Result<T> (*parse)(std::string_view)) {
    const Located<std::string> text = Scalar(key, std::string(type), std::nullopt);
    if (!Has(key) || text.value.empty()) return {T{}, text.at};
    Result<T> value = parse(text.value);
    if (value) return {std::move(*value), text.at};
    Refuse(text.at, std::move(value.error().context));
    return {T{}, text.at};
  }

  // A map; left out or null, it is empty.
  MapReader Map(std::string_view key);
  // A list of maps; left out or null, it is empty.
  void ForEach(std::string_view key, const std::function<void(MapReader&)>& read);
  bool Has(std::string_view key) const;

 private:
  const Node* Find(std::string_view key) const;
  std::string PathOf(std::string_view key) const;
  const Node* Ask(std::string_view key, std::string type, std::string default_value);
  Located<std::string> Scalar(std::string_view key, std::string type,
                              std::optional<std::string> fallback);
  Located<std::size_t> Word(std::string_view key, const std::vector<std::string>& words,
                            std::optional<std::size_t> fallback);

  Loading& loading_;
  const Node* node_;
  std::string path_;
  Position at_;
  std::vector<std::string> asked_;
};

std::vector<Diagnostic> ReadDocument(const std::string& file, std::string_view text,
                                     const std::function<void(MapReader&)>& read);
std::vector<Diagnostic> ReadDocumentFile(const std::string& path,
                                         const std::function<void(MapReader&)>& read);

// `read` over `text`; `file` is only the name in diagnostics.
template <class T>
Loaded<T> Load(const std::string& file, std::string_view text, T (*read)(MapReader&)) {
  std::optional<T> value;
  auto wrong = ReadDocument(file, text, [&](MapReader& top) { value.emplace(read(top)); });
  if (!wrong.empty()) return FailWith(std::move(wrong));
  return std::move(*value);
}

// The same for the file at `path`; a file that cannot be read is one diagnostic without a line.
template <class T>
Loaded<T> LoadFile(const std::string& path, T (*read)(MapReader&)) {
  std::optional<T> value;
  auto wrong = ReadDocumentFile(path, [&](MapReader& top) { value.emplace(read(top)); });
  if (!wrong.empty()) return FailWith(std::move(wrong));
  return std::move(*value);
}

// Every key that `read` accepts, in the order in which it asks.
std::vector<KeySpec> DescribeKeys(const std::function<void(MapReader&)>& read);

}  // namespace seaward::yaml
