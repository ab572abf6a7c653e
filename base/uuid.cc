#include "base/uuid.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace seaward {
namespace {

bool HyphenBefore(std::size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Uuid RandomUuid() {
  Uuid uuid;
  // 16 bytes come whole or not at all (getrandom(2)).
  while (::getrandom(uuid.bytes.data(), uuid.bytes.size(), 0) < 0)
    if (errno != EINTR) std::abort();
  uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return uuid;
}

std::string FormatUuid(const Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (HyphenBefore(i)) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(uuid.bytes[i]));
  }
  return text;
}

Result<Uuid> ParseUuid(std::string_view text) {
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalid, fmt::format("'{}' is not a UUID", text));
  };
  Uuid uuid;
  if (text.size() != 36) return bad();
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (HyphenBefore(i) && text[at++] != '-') return bad();
    const int high = HexDigit(text[at++]);
    const int low = HexDigit(text[at++]);
    if (high < 0 || low < 0) return bad();
    uuid.bytes[i] = static_cast<std::byte>(high * 16 + low);
  }
  return uuid;
}

}  // namespace seaward
