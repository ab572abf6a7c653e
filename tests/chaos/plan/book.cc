#include "tests/chaos/plan/book.h"

#include <algorithm>

namespace seaward::chaos {

void Book::Consumed(const ByteRange& range) {
  std::erase_if(once_bad_, [&](GuestPhysAddr page) { return range.Contains(page); });
  // Corrected errors that became real ones.
  for (Fact& fact : facts_)
    if (fact.range.Overlaps(range)) fact.predicted = false;
  if (!Knows(range)) facts_.push_back({.range = range});
}

void Book::Predicted(const ByteRange& range) {
  std::erase_if(once_bad_, [&](GuestPhysAddr page) { return range.Contains(page); });
  if (!Knows(range)) facts_.push_back({.range = range, .predicted = true});
}

void Book::LiedAbout(const ByteRange& range) {
  for (Fact& fact : facts_)
    if (fact.range.Overlaps(range)) fact.lied_about = true;
}

void Book::NewMemory() {
  for (const Fact& fact : facts_)
    if (!fact.predicted) once_bad_.push_back(fact.range.start());
  facts_.clear();
}

bool Book::Knows(const ByteRange& range) const {
  return std::ranges::any_of(facts_, [&](const Fact& fact) { return fact.range.Overlaps(range); });
}

bool Book::Touches(const ByteRange& range) const {
  return Knows(range) ||
         std::ranges::any_of(once_bad_, [&](GuestPhysAddr page) { return range.Contains(page); });
}

}  // namespace seaward::chaos
