#include "guest-agent/journal/page_journal.h"

namespace seaward::agent {

JournalOrigin PageJournal::Adopt(const JournalContent& content) {
  // Nil: this machine or the writer could not know. Nothing contradicts then.
  const bool both_known = !content.machine.IsNil() && !machine_.IsNil();
  if (both_known && content.machine != machine_) return JournalOrigin::kAnotherMachine;
  incarnation_ = content.incarnation;
  for (JournalEntry entry : content.entries) {
    entry.this_boot = entry.this_boot && content.boot_id == boot_id_;
    entries_.emplace(entry.range.start(), entry);
  }
  return JournalOrigin::kThisMachine;
}

bool PageJournal::BackedBy(const Uuid& incarnation) {
  if (incarnation == incarnation_) return false;
  const bool dropped = !incarnation_.IsNil() && !entries_.empty();
  if (!incarnation_.IsNil()) {
    std::erase_if(entries_, [](const auto& item) { return !item.second.this_boot; });
  }
  incarnation_ = incarnation;
  changed_ = true;
  return dropped;
}

bool PageJournal::Add(const protocol::VerdictRecord& verdict) {
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
                           .sys_errno = verdict.sys_errno};
  if (replaces && same->second == entry) return true;
  entries_.insert_or_assign(range.start(), entry);
  changed_ = true;
  return true;
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

JournalContent PageJournal::Content() const {
  JournalContent content{machine_, incarnation_, boot_id_, {}};
  content.entries.reserve(entries_.size());
  for (const auto& [start, entry] : entries_) content.entries.push_back(entry);
  return content;
}

}  // namespace seaward::agent
