// A set of guest physical ranges, kept as merged ranges, with a digest that depends on the set
// alone and not on the order in which it grew (protocol/spec.md, "Digest"). Host and guest compare
// digests instead of lists. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/units.h"

namespace seaward::protocol {

class PageSet {
 public:
  void Insert(const ByteRange& range);
  void Erase(const ByteRange& range);
  void Clear();

  // Every byte of `range` is in the set.
  bool Contains(const ByteRange& range) const;

  // Ascending, neither overlapping nor touching.
  std::vector<ByteRange> ranges() const;
  // How many merged ranges there are: the number that travels beside the digest.
  std::uint32_t entries() const { return static_cast<std::uint32_t>(spans_.size()); }
  // 0 for the empty set.
  std::uint64_t digest() const { return digest_; }
  std::uint64_t total_bytes() const { return total_bytes_; }

  bool operator==(const PageSet& other) const { return spans_ == other.spans_; }

 private:
  using Spans = std::map<std::uint64_t, std::uint64_t>;  // first byte -> last byte, inclusive

  void Add(std::uint64_t first, std::uint64_t last);
  Spans::iterator Remove(Spans::iterator span);
  // The first span that ends at or behind `address`.
  Spans::iterator FirstReaching(std::uint64_t address);

  Spans spans_;
  std::uint64_t digest_ = 0;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace seaward::protocol
