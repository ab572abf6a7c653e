// What the loop remembers of one incarnation's pages, so that an event can leave for the guest
// before its row is in the ledger. The ledger stays the authority: the book is loaded from it and
// corrected by what it answers.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/units.h"
#include "protocol/messages.h"

namespace seaward {

class PageBook {
 public:
  // What an event at `range` means for the guest.
  struct Noted {
    protocol::PoisonEntry entry;  // the page that holds the range
    bool tell_guest = false;      // new, or worse than the guest knows
  };

  // Replaces everything: the wanted pages of an incarnation.
  void Load(const std::vector<protocol::PoisonEntry>& entries);

  // The page that holds `range`; a new one under `fresh_id` when there is none.
  Noted Note(const ByteRange& range, protocol::Evidence evidence, std::uint64_t fresh_id);

  // The ledger named or widened the page differently: its word counts. True when the guest must be
  // told again.
  bool Correct(std::uint64_t used_id, const protocol::PoisonEntry& recorded);

  // Good memory again.
  void Forget(std::uint64_t id);

  // The guest runs a new boot: what it retired is forgotten, what was only predicted is dropped.
  void StartNewBoot();

  // In the order of their ids.
  std::vector<protocol::PoisonEntry> Wanted() const { return entries_; }
  std::optional<protocol::PoisonEntry> Find(std::uint64_t id) const;
  std::size_t size() const { return entries_.size(); }

 private:
  // Sorted vectors: a thousand VMs have a book each, and a map takes three times the memory.
  struct Start {
    std::uint64_t first_byte;
    std::uint64_t id;
  };
  std::vector<protocol::PoisonEntry>::iterator AtOrBehind(std::uint64_t id);
  protocol::PoisonEntry* FindEntry(std::uint64_t id);
  void Put(const protocol::PoisonEntry& entry);
  void ForgetStart(const protocol::PoisonEntry& entry);

  std::vector<protocol::PoisonEntry> entries_;  // by id
  std::vector<Start> by_start_;                 // by first byte; the newest entry that starts there
};

// Corrected errors leave good data behind and worse ones do not: consumed > latent > predicted.
bool IsWorse(protocol::Evidence a, protocol::Evidence b);

}  // namespace seaward
