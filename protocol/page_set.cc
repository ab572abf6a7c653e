#include "protocol/page_set.h"

#include <algorithm>
#include <iterator>

#include "base/mix.h"

namespace seaward::protocol {
namespace {

std::uint64_t DigestOf(std::uint64_t first, std::uint64_t last) {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  return Mix(Mix(first + kGolden) + (last - first + 1));
}

// One less, but never below 0: two ranges touch when one ends just before the other starts.
std::uint64_t Before(std::uint64_t address) {
  return address == 0 ? 0 : address - 1;
}

}  // namespace

void PageSet::Insert(const ByteRange& range) {
  std::uint64_t first = range.start().value;
  std::uint64_t last = range.last();
  auto span = FirstReaching(Before(first));
  while (span != spans_.end() && Before(span->first) <= last) {
    first = std::min(first, span->first);
    last = std::max(last, span->second);
    span = Remove(span);
  }
  Add(first, last);
}

void PageSet::Erase(const ByteRange& range) {
  const std::uint64_t from = range.start().value;
  const std::uint64_t to = range.last();
  auto span = FirstReaching(from);
  while (span != spans_.end() && span->first <= to) {
    const auto [first, last] = *span;
    span = Remove(span);
    if (first < from) Add(first, from - 1);
    if (last > to) Add(to + 1, last);
  }
}

void PageSet::Clear() {
  spans_.clear();
  digest_ = 0;
  total_bytes_ = 0;
}

bool PageSet::Contains(const ByteRange& range) const {
  auto span = spans_.upper_bound(range.start().value);
  if (span == spans_.begin()) return false;
  return std::prev(span)->second >= range.last();
}

std::vector<ByteRange> PageSet::ranges() const {
  std::vector<ByteRange> ranges;
  ranges.reserve(spans_.size());
  for (const auto& [first, last] : spans_) {
    const Result<ByteRange> range = ByteRange::Make(GuestPhysAddr{first}, last - first + 1);
    if (range) ranges.push_back(*range);
  }
  return ranges;
}

void PageSet::Add(std::uint64_t first, std::uint64_t last) {
  spans_.emplace(first, last);
  digest_ += DigestOf(first, last);
  total_bytes_ += last - first + 1;
}

PageSet::Spans::iterator PageSet::Remove(Spans::iterator span) {
  digest_ -= DigestOf(span->first, span->second);
  total_bytes_ -= span->second - span->first + 1;
  return spans_.erase(span);
}

PageSet::Spans::iterator PageSet::FirstReaching(std::uint64_t address) {
  auto span = spans_.upper_bound(address);
  if (span != spans_.begin() && std::prev(span)->second >= address) --span;
  return span;
}

}  // namespace seaward::protocol
