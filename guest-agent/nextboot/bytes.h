// Little-endian fields for code that runs in the firmware as well as in the agent: no allocation,
// no standard library beyond the two headers that every freestanding compiler brings. Each accessor
// checks its bounds; an overrun turns the object bad for good.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace seaward::nextboot {

// Bytes that somebody else owns.
struct Bytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

class FieldReader {
 public:
  explicit FieldReader(Bytes in) : in_(in) {}

  uint16_t U16() { return static_cast<uint16_t>(Take(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Take(4)); }
  uint64_t U64() { return Take(8); }
  void Copy(uint8_t* out, size_t count) {
    if (!Room(count)) return;
    for (size_t i = 0; i < count; ++i) out[i] = in_.data[at_ + i];
    at_ += count;
  }
  bool ok() const { return ok_; }

 private:
  bool Room(size_t count) {
    if (in_.size - at_ < count) ok_ = false;
    return ok_;
  }
  uint64_t Take(size_t count) {
    if (!Room(count)) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) value |= uint64_t{in_.data[at_ + i]} << (8 * i);
    at_ += count;
    return value;
  }

  Bytes in_;
  size_t at_ = 0;
  bool ok_ = true;
};

class FieldWriter {
 public:
  FieldWriter(uint8_t* out, size_t room) : out_(out), room_(room) {}

  void U16(uint16_t value) { Put(value, 2); }
  void U32(uint32_t value) { Put(value, 4); }
  void U64(uint64_t value) { Put(value, 8); }
  void Copy(const uint8_t* in, size_t count) {
    for (size_t i = 0; i < count; ++i) Put(in[i], 1);
  }
  bool ok() const { return ok_; }
  size_t size() const { return at_; }

 private:
  void Put(uint64_t value, size_t count) {
    if (!ok_ || room_ - at_ < count) {
      ok_ = false;
      return;
    }
    for (size_t i = 0; i < count; ++i) out_[at_++] = static_cast<uint8_t>(value >> (8 * i));
  }

  uint8_t* out_;
  size_t room_;
  size_t at_ = 0;
  bool ok_ = true;
};

// CRC-32C, the same as base/crc32c.h (a test compares them); bit by bit, since a list is 4 KiB and
// the driver should be small.
inline uint32_t CrcOf(Bytes bytes) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < bytes.size; ++i) {
    crc ^= bytes.data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78 & (0 - (crc & 1)));
  }
  return ~crc;
}

}  // namespace seaward::nextboot
