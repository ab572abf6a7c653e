#include "tests/lab/poison/gdb_packet.h"

#include <fmt/format.h>

#include <charconv>

namespace seaward::lab {
namespace {

constexpr char kEscape = '}';
constexpr char kEscapeFlip = 0x20;
constexpr int kRunBias = 29;  // '*' n repeats the previous byte (n - 29) times

unsigned Checksum(std::string_view payload) {
  unsigned sum = 0;
  for (char c : payload) sum += static_cast<unsigned char>(c);
  return sum & 0xff;
}

bool ParseByte(std::string_view two, unsigned& value) {
  const auto [end, error] = std::from_chars(two.data(), two.data() + two.size(), value, 16);
  return error == std::errc{} && end == two.data() + two.size() && two.size() == 2;
}

Result<std::string> Expand(std::string_view raw) {
  std::string payload;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == kEscape && i + 1 < raw.size()) {
      payload.push_back(static_cast<char>(raw[++i] ^ kEscapeFlip));
    } else if (raw[i] == '*' && i + 1 < raw.size()) {
      const int repeats = raw[++i] - kRunBias;
      if (payload.empty() || repeats < 1)
        return Fail(ErrorCode::kCorrupt, "gdb packet: bad run length");
      payload.append(static_cast<std::size_t>(repeats), payload.back());
    } else {
      payload.push_back(raw[i]);
    }
  }
  return payload;
}

}  // namespace

std::string EncodeGdbPacket(std::string_view payload) {
  std::string escaped;
  for (char c : payload) {
    if (c == '$' || c == '#' || c == kEscape || c == '*') {
      escaped.push_back(kEscape);
      c = static_cast<char>(c ^ kEscapeFlip);
    }
    escaped.push_back(c);
  }
  return fmt::format("${}#{:02x}", escaped, Checksum(escaped));
}

Result<std::optional<std::string>> GdbPacketReader::Next() {
  const auto start = buffer_.find('$');
  if (start == std::string::npos) {
    buffer_.clear();
    return std::nullopt;
  }
  const auto end = buffer_.find('#', start);
  if (end == std::string::npos || buffer_.size() < end + 3) return std::nullopt;
  const std::string raw = buffer_.substr(start + 1, end - start - 1);
  const std::string sum = buffer_.substr(end + 1, 2);
  buffer_.erase(0, end + 3);
  unsigned wanted = 0;
  if (!ParseByte(sum, wanted) || wanted != Checksum(raw))
    return Fail(ErrorCode::kCorrupt, "gdb packet: bad checksum");
  auto payload = Expand(raw);
  if (!payload) return Forward(payload);
  return std::optional<std::string>(std::move(*payload));
}

std::string ToHex(std::span<const std::byte> bytes) {
  std::string text;
  for (std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return text;
}

Result<std::vector<std::byte>> FromHex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    if (!ParseByte(text.substr(i, 2), value)) return Fail(ErrorCode::kCorrupt, "not hex bytes");
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

}  // namespace seaward::lab
