#include "tests/lab/poison/poison_kind.h"

#include <fmt/format.h>

#include <charconv>

namespace seaward::lab {
namespace {

// ESR_ELx.ISS for data and instruction aborts (Arm ARM D24.2.40).
constexpr std::uint64_t kExternalAbort = 0x10;        // not on a table walk
constexpr std::uint64_t kExternalAbortOnWalk = 0x14;  // plus the level
constexpr std::uint64_t kFnv = 1 << 10;
constexpr std::uint64_t kUncontainableSet = 2 << 11;

constexpr int kLowestLevel = -1, kHighestLevel = 3;
constexpr std::string_view kWalk = "walk:";

Status ParseWord(std::string_view word, PoisonKind& kind) {
  if (word == "located") return {};
  if (word == "fnv") {
    kind.without_address = true;
    return {};
  }
  if (word == "uncontainable") {
    kind.uncontainable = true;
    return {};
  }
  const auto level = word.substr(std::min(kWalk.size(), word.size()));
  const auto end = level.data() + level.size();
  const auto parsed = std::from_chars(level.data(), end, kind.table_level);
  if (!word.starts_with(kWalk) || parsed.ec != std::errc{} || parsed.ptr != end ||
      kind.table_level < kLowestLevel || kind.table_level > kHighestLevel)
    return Fail(
        ErrorCode::kInvalid,
        fmt::format("unknown kind '{}': located | fnv | walk:LEVEL (-1 to 3), uncontainable",
                    word));
  return {};
}

}  // namespace

Result<PoisonKind> PoisonKind::Parse(std::string_view words) {
  PoisonKind kind;
  while (!words.empty()) {
    const auto space = std::min(words.find(' '), words.size());
    if (auto parsed = ParseWord(words.substr(0, space), kind); !parsed) return Forward(parsed);
    words.remove_prefix(std::min(space + 1, words.size()));
  }
  return kind;
}

std::string PoisonKind::Text() const {
  std::string text = without_address ? "fnv" : "located";
  if (table_level != PoisonKind{}.table_level) text += fmt::format(" walk:{}", table_level);
  if (uncontainable) text += " uncontainable";
  return text;
}

std::uint64_t PoisonKind::Syndromes() const {
  const std::uint64_t set = uncontainable ? kUncontainableSet : 0;
  const std::uint64_t plain = kExternalAbort | set | (without_address ? kFnv : 0);
  const auto level = static_cast<std::uint64_t>(std::int64_t{table_level});
  const std::uint64_t walk = kExternalAbortOnWalk + level;  // level -1 wraps to 0x13
  return plain | (walk | set) << 16;
}

}  // namespace seaward::lab
