// Little-endian fields over a span: how every wire and disk format of the tree is read and written.
// Neither class allocates; both turn bad for good at the first overrun, so that a caller checks
// once.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace seaward {

// To and from little-endian: nothing on the machines that Seaward runs on.
template <std::unsigned_integral T>
constexpr T LittleEndian(T value) {
  if constexpr (std::endian::native == std::endian::little) return value;
  auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<T>(bytes);
}

class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> out) : out_(out) {}

  template <std::unsigned_integral T>
  void Put(T value) {
    if (!Room(sizeof(T))) return;
    value = LittleEndian(value);
    std::memcpy(out_.data() + at_, &value, sizeof(T));
    at_ += sizeof(T);
  }
  void PutBytes(std::span<const std::byte> bytes) {
    if (!Room(bytes.size())) return;
    std::copy(bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ += bytes.size();
  }
  void PutText(std::string_view text) { PutBytes(std::as_bytes(std::span(text))); }
  // `count` bytes that the caller writes; empty after an overrun. A writer of its own over fields
  // whose sizes are all known needs no look at memory to place them.
  std::span<std::byte> Claim(std::size_t count) {
    if (!Room(count)) return {};
    at_ += count;
    return out_.subspan(at_ - count, count);
  }

  bool ok() const { return ok_; }
  std::size_t size() const { return at_; }

 private:
  bool Room(std::size_t n) {
    if (!ok_ || out_.size() - at_ < n) ok_ = false;
    return ok_;
  }
  std::span<std::byte> out_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> in) : in_(in) {}

  // 0 after an overrun.
  template <std::unsigned_integral T>
  T Get() {
    if (!Room(sizeof(T))) return 0;
    T value;
    std::memcpy(&value, in_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return LittleEndian(value);
  }
  // Empty after an overrun.
  std::span<const std::byte> GetBytes(std::size_t n) {
    if (!Room(n)) return {};
    at_ += n;
    return in_.subspan(at_ - n, n);
  }

  bool ok() const { return ok_; }
  std::size_t position() const { return at_; }
  std::size_t remaining() const { return ok_ ? in_.size() - at_ : 0; }

 private:
  bool Room(std::size_t n) {
    if (!ok_ || in_.size() - at_ < n) ok_ = false;
    return ok_;
  }
  std::span<const std::byte> in_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace seaward
