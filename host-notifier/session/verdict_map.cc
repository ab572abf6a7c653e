#include "host-notifier/session/verdict_map.h"

#include <algorithm>
#include <iterator>

namespace seaward::session {

using protocol::Outcome;
namespace {

// protocol/spec.md, "Verdicts".
bool MayFollow(Outcome before, Outcome after) {
  switch (before) {
    case Outcome::kDeferred:
      return true;
    case Outcome::kInKernel:  // it left the kernel's hands
      return after == Outcome::kRetired;
    case Outcome::kRetired:  // the kernel forgot: memory plugged anew, a machine put back
    case Outcome::kAlreadyRetired:
      return after == Outcome::kDeferred || after == Outcome::kInKernel;
    case Outcome::kExcludedBeforeBoot:
    case Outcome::kNotRam:
    case Outcome::kBudgetExceeded:
    case Outcome::kFailed:
      return false;
  }
  return false;
}

}  // namespace

Word VerdictMap::Apply(const ByteRange& range, Outcome outcome) {
  const std::uint64_t first = range.start().value;
  const std::uint64_t last = range.last();
  std::uint64_t known_to = first;  // every byte before it is known with this outcome
  bool repeated = true;
  for (auto it = FirstReaching(first); it != pieces_.end() && it->first <= last; ++it) {
    const Piece& piece = it->second;
    if (piece.outcome != outcome && !MayFollow(piece.outcome, outcome)) return Word::kContradiction;
    if (piece.outcome != outcome || it->first > known_to) repeated = false;
    known_to = piece.last + 1;
  }
  if (repeated && known_to > last) return Word::kRepeated;
  Carve(first, last);
  Join(first, last, outcome);
  return Word::kNews;
}

bool VerdictMap::Covers(const ByteRange& range) const {
  std::uint64_t covered_to = range.start().value;
  auto it = pieces_.upper_bound(covered_to);
  if (it != pieces_.begin()) --it;
  for (; it != pieces_.end() && it->first <= covered_to; ++it) {
    if (it->second.last >= range.last()) return true;
    covered_to = std::max(covered_to, it->second.last + 1);
  }
  return false;
}

bool VerdictMap::AnyDeferred() const {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [](const auto& it) { return it.second.outcome == Outcome::kDeferred; });
}

VerdictMap::Pieces::iterator VerdictMap::FirstReaching(std::uint64_t address) {
  auto it = pieces_.upper_bound(address);
  if (it != pieces_.begin() && std::prev(it)->second.last >= address) --it;
  return it;
}

// Takes [first, last] out of what is there.
void VerdictMap::Carve(std::uint64_t first, std::uint64_t last) {
  auto it = FirstReaching(first);
  while (it != pieces_.end() && it->first <= last) {
    const auto [piece_first, piece] = *it;
    it = pieces_.erase(it);
    if (piece_first < first) pieces_[piece_first] = {first - 1, piece.outcome};
    if (piece.last > last) pieces_[last + 1] = piece;
  }
}

void VerdictMap::Join(std::uint64_t first, std::uint64_t last, Outcome outcome) {
  auto next = pieces_.lower_bound(first);
  if (next != pieces_.end() && next->first == last + 1 && next->second.outcome == outcome) {
    last = next->second.last;
    next = pieces_.erase(next);
  }
  if (next != pieces_.begin()) {
    Piece& before = std::prev(next)->second;
    if (before.last + 1 == first && before.outcome == outcome) {
      before.last = last;
      return;
    }
  }
  pieces_[first] = {last, outcome};
}

}  // namespace seaward::session
