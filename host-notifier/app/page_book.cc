#include "host-notifier/app/page_book.h"

#include <algorithm>
#include <iterator>

namespace seaward {
namespace {

// One place in five stays unused at most; the standard growth may leave half of them so.
template <class Row>
void InsertAt(std::vector<Row>& rows, typename std::vector<Row>::iterator at, const Row& row) {
  const auto index = at - rows.begin();
  if (rows.size() == rows.capacity()) rows.reserve(rows.size() + rows.size() / 4 + 4);
  rows.insert(rows.begin() + index, row);
}

int Weight(protocol::Evidence evidence) {
  switch (evidence) {
    case protocol::Evidence::kPredicted:
      return 0;
    case protocol::Evidence::kLatent:
      return 1;
    case protocol::Evidence::kConsumed:
      return 2;
  }
  return 2;
}

bool Holds(const ByteRange& outer, const ByteRange& inner) {
  return outer.start() <= inner.start() && inner.last() <= outer.last();
}

}  // namespace

bool IsWorse(protocol::Evidence a, protocol::Evidence b) {
  return Weight(a) > Weight(b);
}

std::vector<protocol::PoisonEntry>::iterator PageBook::AtOrBehind(std::uint64_t id) {
  return std::ranges::lower_bound(entries_, id, {}, &protocol::PoisonEntry::id);
}

protocol::PoisonEntry* PageBook::FindEntry(std::uint64_t id) {
  const auto at = AtOrBehind(id);
  return at == entries_.end() || at->id != id ? nullptr : &*at;
}

void PageBook::Put(const protocol::PoisonEntry& entry) {
  const auto at = AtOrBehind(entry.id);
  if (at != entries_.end() && at->id == entry.id)
    *at = entry;
  else
    InsertAt(entries_, at, entry);
  const std::uint64_t first = entry.range.start().value;
  const auto start = std::ranges::lower_bound(by_start_, first, {}, &Start::first_byte);
  if (start != by_start_.end() && start->first_byte == first)
    start->id = entry.id;
  else
    InsertAt(by_start_, start, Start{first, entry.id});
}

void PageBook::ForgetStart(const protocol::PoisonEntry& entry) {
  const std::uint64_t first = entry.range.start().value;
  const auto start = std::ranges::lower_bound(by_start_, first, {}, &Start::first_byte);
  if (start != by_start_.end() && start->first_byte == first) by_start_.erase(start);
}

void PageBook::Load(const std::vector<protocol::PoisonEntry>& entries) {
  // Sorted once: Put would move half of both vectors for each of up to 65,536 entries.
  entries_ = entries;
  std::ranges::sort(entries_, {}, &protocol::PoisonEntry::id);
  by_start_.clear();
  by_start_.reserve(entries_.size());
  for (const auto& entry : entries_) by_start_.push_back({entry.range.start().value, entry.id});
  std::ranges::stable_sort(by_start_, {}, &Start::first_byte);
  // Of those that start at the same byte the newest is found.
  const auto first_kept =
      std::unique(by_start_.rbegin(), by_start_.rend(), [](const Start& a, const Start& b) {
        return a.first_byte == b.first_byte;
      }).base();
  by_start_.erase(by_start_.begin(), first_kept);
}

PageBook::Noted PageBook::Note(const ByteRange& range, protocol::Evidence evidence,
                               std::uint64_t fresh_id) {
  // Pages are found by their start; entries of one incarnation rarely overlap, and where they do,
  // a second entry for the same bytes costs one more message and nothing else.
  const auto after =
      std::ranges::upper_bound(by_start_, range.start().value, {}, &Start::first_byte);
  protocol::PoisonEntry* known =
      after == by_start_.begin() ? nullptr : FindEntry(std::prev(after)->id);
  if (known != nullptr && Holds(known->range, range)) {
    const bool worse = IsWorse(evidence, known->evidence);
    if (worse) known->evidence = evidence;
    return {*known, worse};
  }
  const protocol::PoisonEntry entry{fresh_id, range, evidence, false};
  Put(entry);
  return {entry, true};
}

bool PageBook::Correct(std::uint64_t used_id, const protocol::PoisonEntry& recorded) {
  const protocol::PoisonEntry* used = FindEntry(used_id);
  if (used_id == recorded.id && used != nullptr && used->range == recorded.range) return false;
  Forget(used_id);
  Put(recorded);
  return true;
}

void PageBook::Forget(std::uint64_t id) {
  const auto at = AtOrBehind(id);
  if (at == entries_.end() || at->id != id) return;
  ForgetStart(*at);
  entries_.erase(at);
}

void PageBook::StartNewBoot() {
  for (const protocol::PoisonEntry& entry : entries_)
    if (entry.evidence == protocol::Evidence::kPredicted) ForgetStart(entry);
  std::erase_if(entries_, [](const protocol::PoisonEntry& entry) {
    return entry.evidence == protocol::Evidence::kPredicted;
  });
  for (protocol::PoisonEntry& entry : entries_) entry.replay = true;
}

std::optional<protocol::PoisonEntry> PageBook::Find(std::uint64_t id) const {
  const auto at = std::ranges::lower_bound(entries_, id, {}, &protocol::PoisonEntry::id);
  if (at == entries_.end() || at->id != id) return std::nullopt;
  return *at;
}

}  // namespace seaward
