#include "host-notifier/hosttrace/trace_text.h"

#include <algorithm>
#include <charconv>

namespace seaward {
namespace {

constexpr std::string_view kEvent = " memory_failure_event: ";
constexpr std::string_view kFrame = "pfn 0x";
constexpr std::string_view kLost = "[LOST ";
constexpr std::string_view kLostEnd = " EVENTS]";
// A frame's number has at most 52 - 12 bits.
constexpr std::uint64_t kTopFrame = (std::uint64_t{1} << 40) - 1;
constexpr std::size_t kLongestResult = 32;

// The number at the front of `text`, which it takes away.
std::optional<std::uint64_t> TakeNumber(std::string_view& text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// The last word behind a colon, as long as it is one.
std::string ResultOf(std::string_view text) {
  const std::size_t colon = text.rfind(": ");
  if (colon == std::string_view::npos) return {};
  const std::string_view word = text.substr(colon + 2, kLongestResult);
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return std::ranges::all_of(word, letter) ? std::string(word) : std::string();
}

std::optional<TraceLine> ParseLost(std::string_view line) {
  const std::size_t at = line.find(kLost);
  if (!line.starts_with("CPU:") || at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + kLost.size());
  const auto count = TakeNumber(rest, 10);
  if (!count) return LostEvents{1};  // "[LOST EVENTS]": the kernel does not know how many
  if (!rest.starts_with(kLostEnd)) return std::nullopt;
  return LostEvents{*count};
}

}  // namespace

std::optional<TraceLine> ParseTraceLine(std::string_view line) {
  const std::size_t event = line.find(kEvent);
  if (event == std::string_view::npos) return ParseLost(line);
  std::string_view rest = line.substr(event + kEvent.size());
  if (!rest.starts_with(kFrame)) return std::nullopt;
  rest.remove_prefix(kFrame.size());
  const auto frame = TakeNumber(rest, 16);
  // The colon behind it says that the number is whole.
  if (!frame || *frame == 0 || *frame > kTopFrame || !rest.starts_with(':')) return std::nullopt;
  return FrameFailure{PageFrame{*frame}, ResultOf(rest)};
}

void TraceText::Feed(std::string_view bytes, const std::function<void(const TraceLine&)>& take) {
  for (const char c : bytes) {
    if (c == '\n') {
      End(take);
    } else if (line_.size() == kLongestLine) {
      too_long_ = true;
    } else {
      line_ += c;
    }
  }
}

void TraceText::End(const std::function<void(const TraceLine&)>& take) {
  const auto line = too_long_ ? std::nullopt : ParseTraceLine(line_);
  const bool empty = line_.empty();
  line_.clear();
  too_long_ = false;
  if (line) return take(*line);
  if (!empty) ++passed_over_;
}

}  // namespace seaward
