// The durable list of this machine's bad pages, in memory. Pure; JournalFile keeps it on disk.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "guest-agent/journal/journal_format.h"
#include "guest-agent/retire/retirement_desk.h"

namespace seaward::agent {

enum class JournalOrigin { kThisMachine, kAnotherMachine };

class PageJournal {
 public:
  PageJournal(const Uuid& machine, const Uuid& boot_id) : machine_(machine), boot_id_(boot_id) {}

  // Takes over what was on disk. A list of another machine is refused whole: a golden image copied
  // with its list must not retire pages of every copy.
  JournalOrigin Adopt(const JournalContent& content);

  // The host named the memory behind this guest. Pages of other memory are dropped; true when that
  // happened.
  bool BackedBy(const Uuid& incarnation);

  // A verdict of this boot; a final one replaces an earlier one. False: the journal is full.
  bool Add(const KeptVerdict& verdict);
  // A verdict of this boot that the journal may have missed: the early stage has no disk. What the
  // journal says of this boot stands; why the page is bad is an earlier entry's word, else latent.
  bool Recollect(const protocol::VerdictRecord& verdict);
  // What a host that lost its record is told: all that is of the present memory, and the pages that
  // this boot attempted without a word in the journal, as the early stage does.
  std::vector<protocol::KnownRecord> KnownPages(std::span<const ByteRange> attempted) const;
  void Forget(const ByteRange& range);

  const Uuid& incarnation() const { return incarnation_; }
  std::size_t size() const { return entries_.size(); }
  bool changed() const { return changed_; }
  void MarkSaved() { changed_ = false; }
  JournalContent Content() const;

 private:
  bool Touches(const ByteRange& range) const;

  Uuid machine_;
  Uuid boot_id_;
  Uuid incarnation_;
  std::map<GuestPhysAddr, JournalEntry> entries_;  // disjoint
  bool changed_ = false;
};

}  // namespace seaward::agent
