#include "guest-agent/journal/page_journal.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "protocol/format.h"
#include "protocol/page_set.h"

namespace seaward::agent {

namespace {

// Merged ranges may have grown beyond what one range on the wire may span.
void Append(std::vector<protocol::KnownRecord>& known, const ByteRange& range,
            protocol::Evidence evidence, bool this_boot) {
  for (std::uint64_t offset = 0; offset < range.length(); offset += protocol::kMaxRangeBytes) {
    const auto length = std::min(range.length() - offset, protocol::kMaxRangeBytes);
    const auto part = ByteRange::Make(GuestPhysAddr{range.start().value + offset}, length);
    if (part) known.push_back({*part, evidence, this_boot});
  }
}

}  // namespace

JournalOrigin PageJournal::Adopt(const JournalContent& content) {
  // Nil: this machine or the writer could not know. Nothing contradicts then.
  const bool both_known = !content.machine.IsNil() && !machine_.IsNil();
  if (both_known && content.machine != machine_) return JournalOrigin::kAnotherMachine;
  incarnation_ = content.incarnation;
  for (JournalEntry entry : content.entries) {
    entry.this_boot = entry.this_boot && content.boot_id == boot_id_;
    if (entry.other_memory && !entry.this_boot) continue;  // good memory of this machine's
    entries_.emplace(entry.range.start(), entry);
  }
  return JournalOrigin::kThisMachine;
}

bool PageJournal::BackedBy(const Uuid& incarnation) {
  if (incarnation == incarnation_) return false;
  const bool dropped = !incarnation_.IsNil() && !entries_.empty();
  if (!incarnation_.IsNil()) {
    std::erase_if(entries_, [](const auto& item) { return !item.second.this_boot; });
    for (auto& [start, entry] : entries_) entry.other_memory = true;
  }
  incarnation_ = incarnation;
  changed_ = true;
  return dropped;
}

bool PageJournal::Add(const KeptVerdict& kept) {
  const protocol::VerdictRecord& verdict = kept.record;
  const ByteRange& range = verdict.range;
  const auto same = entries_.find(range.start());
  const bool replaces = same != entries_.end() && same->second.range == range;
  if (!replaces) {
    Forget(range);
    if (entries_.size() >= kJournalMaxEntries) return false;
  }
  const JournalEntry entry{.range = range,
                           .outcome = verdict.outcome,
                           .kind = verdict.kind,
                           .stage = verdict.stage,
                           .this_boot = true,
                           .sys_errno = verdict.sys_errno,
                           .evidence = kept.evidence};
  if (replaces && same->second == entry) return true;
  entries_.insert_or_assign(range.start(), entry);
  changed_ = true;
  return true;
}

bool PageJournal::Recollect(const protocol::VerdictRecord& verdict) {
  const ByteRange& range = verdict.range;
  std::vector<KeptVerdict> missed;
  bool touched = false;
  auto it = entries_.upper_bound(GuestPhysAddr{range.last()});
  for (; it != entries_.begin() && std::prev(it)->second.range.Overlaps(range); --it) {
    touched = true;
    const JournalEntry& entry = std::prev(it)->second;
    if (entry.this_boot) continue;
    const std::uint64_t first = std::max(entry.range.start().value, range.start().value);
    const std::uint64_t last = std::min(entry.range.last(), range.last());
    missed.push_back({verdict, entry.evidence});
    missed.back().record.range = ByteRange::Make(GuestPhysAddr{first}, last - first + 1).value();
  }
  if (!touched) missed.push_back({verdict, protocol::Evidence::kLatent});
  bool kept = true;
  for (const KeptVerdict& part : missed) kept = Add(part) && kept;
  return kept;
}

// What an entry knows of memory outside of `range` stays.
void PageJournal::Forget(const ByteRange& range) {
  auto it = entries_.upper_bound(range.start());
  if (it != entries_.begin()) --it;
  std::vector<JournalEntry> rests;
  while (it != entries_.end() && it->first.value <= range.last()) {
    const JournalEntry entry = it->second;
    if (!entry.range.Overlaps(range)) {
      ++it;
      continue;
    }
    it = entries_.erase(it);
    changed_ = true;
    const GuestPhysAddr first = entry.range.start();
    if (first < range.start()) {
      rests.push_back(entry);
      rests.back().range = ByteRange::Make(first, range.start().value - first.value).value();
    }
    if (entry.range.last() > range.last()) {
      rests.push_back(entry);
      rests.back().range =
          ByteRange::Make(GuestPhysAddr{range.end()}, entry.range.last() - range.last()).value();
    }
  }
  for (const JournalEntry& rest : rests) entries_.emplace(rest.range.start(), rest);
}

std::vector<protocol::KnownRecord> PageJournal::KnownPages(
    std::span<const ByteRange> attempted) const {
  std::map<std::pair<protocol::Evidence, bool>, protocol::PageSet> sets;
  protocol::PageSet tried;
  for (const ByteRange& page : attempted) tried.Insert(page);
  for (const auto& [start, entry] : entries_) {
    if (entry.other_memory) continue;
    const bool this_boot = entry.this_boot || tried.Contains(entry.range);
    sets[{entry.evidence, this_boot}].Insert(entry.range);
  }
  for (const ByteRange& page : attempted)
    if (!Touches(page)) sets[{protocol::Evidence::kLatent, true}].Insert(page);
  std::vector<protocol::KnownRecord> known;
  for (const auto& [what, set] : sets)
    for (const ByteRange& range : set.ranges()) Append(known, range, what.first, what.second);
  return known;
}

bool PageJournal::Touches(const ByteRange& range) const {
  auto it = entries_.upper_bound(GuestPhysAddr{range.last()});
  return it != entries_.begin() && std::prev(it)->second.range.Overlaps(range);
}

JournalContent PageJournal::Content() const {
  JournalContent content{machine_, incarnation_, boot_id_, {}};
  content.entries.reserve(entries_.size());
  for (const auto& [start, entry] : entries_) content.entries.push_back(entry);
  return content;
}

}  // namespace seaward::agent
