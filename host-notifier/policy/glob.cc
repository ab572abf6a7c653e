#include "host-notifier/policy/glob.h"

#include <fmt/format.h>

namespace seaward::policy {
namespace {

// A name of libvirt's is no longer.
constexpr std::size_t kLongest = 255;

std::size_t IndexOf(char c) {
  return static_cast<unsigned char>(c);
}

using Bytes = std::bitset<256>;

tl::unexpected<Error> Bad(std::string_view pattern, std::string_view why) {
  return Fail(ErrorCode::kInvalid, fmt::format("'{}' is no pattern: {}", pattern, why));
}

// The set that begins behind a `[` at `at`; moves `at` behind its `]`.
Result<Bytes> ReadSet(std::string_view pattern, std::size_t& at) {
  Bytes set;
  const bool inverted = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (inverted) ++at;
  for (bool first = true;; first = false) {
    if (at >= pattern.size()) return Bad(pattern, "a '[' without its ']'");
    const char low = pattern[at++];
    if (low == ']' && !first) break;
    char high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      high = pattern[at + 1];
      at += 2;
    }
    if (IndexOf(high) < IndexOf(low))
      return Bad(pattern, fmt::format("the range '{}-{}' is backwards", low, high));
    for (std::size_t c = IndexOf(low); c <= IndexOf(high); ++c) set.set(c);
  }
  return inverted ? ~set : set;
}

}  // namespace

Result<Glob> Glob::Parse(std::string_view pattern) {
  if (pattern.empty()) return Bad(pattern, "it is empty");
  if (pattern.size() > kLongest) return Bad(pattern.substr(0, 32), "it is longer than any name");
  Glob glob(pattern);
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at++];
    if (c == '*') {
      if (glob.parts_.empty() || glob.parts_.back()) glob.parts_.emplace_back();
    } else if (c == '?') {
      glob.parts_.emplace_back(Bytes().set());
    } else if (c == '[') {
      const auto set = ReadSet(pattern, at);
      if (!set) return tl::unexpected<Error>(set.error());
      glob.parts_.emplace_back(*set);
    } else if (c == '\\' && at == pattern.size()) {
      return Bad(pattern, "it ends with '\\'");
    } else {
      glob.parts_.emplace_back(Bytes().set(IndexOf(c == '\\' ? pattern[at++] : c)));
    }
  }
  return glob;
}

bool Glob::Matches(std::string_view text) const {
  std::size_t part = 0;
  std::size_t at = 0;
  // Where to go on when what follows the last `*` does not fit: one byte more for the `*`.
  std::optional<std::size_t> star;
  std::size_t star_at = 0;
  while (at < text.size()) {
    if (part < parts_.size() && !parts_[part]) {
      star = part++;
      star_at = at;
    } else if (part < parts_.size() && parts_[part]->test(IndexOf(text[at]))) {
      ++part;
      ++at;
    } else if (star) {
      part = *star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (part < parts_.size() && !parts_[part]) ++part;
  return part == parts_.size();
}

}  // namespace seaward::policy
