// Little-endian fields over a span: how every wire and disk format of the tree is read and written.
// Neither class allocates; both turn bad for good at the first overrun, so that a caller checks
// once.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace seaward {

class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> out) : out_(out) {}

  template <std::unsigned_integral T>
  void Put(T value) {
    if (!Room(sizeof(T))) return;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      out_[at_++] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
  void PutBytes(std::span<const std::byte> bytes) {
    if (!Room(bytes.size())) return;
    for (std::byte b : bytes) out_[at_++] = b;
  }
  void PutText(std::string_view text) { PutBytes(std::as_bytes(std::span(text))); }

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
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value |= std::to_integer<std::uint64_t>(in_[at_ + i]) << (8 * i);
    at_ += sizeof(T);
    return static_cast<T>(value);
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
