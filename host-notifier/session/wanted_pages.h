// The pages that the host wants one guest to retire, and how far each of them is in this boot: to
// be sent, sent, answered, deferred. Decides which of the guest's verdicts are believed. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "host-notifier/session/session_limits.h"
#include "host-notifier/session/verdict_map.h"
#include "protocol/messages.h"
#include "protocol/page_set.h"

namespace seaward::session {

enum class Adding { kNew, kChanged, kKnown, kRefused };

// What to make of one VerdictRecord.
enum class Belief {
  kNews,
  kRepeated,
  kUnknownPage,
  kForeignRange,
  kContradiction,
  kTooManyPieces,
};

struct Judgement {
  Belief belief = Belief::kUnknownPage;
  // The frame of this session that the guest has read, when the record proves one.
  std::optional<std::uint32_t> proven_sequence;
};

class WantedPages {
 public:
  explicit WantedPages(const SessionLimits& limits) : limits_(limits) {}

  Adding Add(const protocol::PoisonEntry& entry);
  // The ledger has its verdict of the current boot: whatever else the guest says is repetition.
  void MarkAnswered(std::uint64_t id);
  // Drops the entries that lie inside `ranges` completely.
  void Forget(std::span<const ByteRange> ranges);
  void Clear();

  // A new boot knows nothing: every entry is to be sent again, as a replay when an earlier boot was
  // given it. Predicted entries end with the boot that was given them.
  void NewBoot();
  // The session is over: what was sent and not answered is to be sent again.
  void EndSession();
  // The guest's set differs from ours: send all that a digest covers.
  void SendAllAgain();
  // The guest has all that Answered() covers: send the rest.
  void SendUnsettledAgain();
  // What is sent and not answered, again.
  void Resend();
  // Deferred entries whose time is over without further news are sent again. True: there were some.
  bool ResendDeferred(MonoTime now);
  std::optional<MonoTime> NextDeferral() const;

  // Up to `most` entries to send next: new ones first, then by id.
  std::vector<protocol::PoisonEntry> Next(std::size_t most) const;
  bool AnyToSend() const { return !queue_.empty(); }
  // True: for the first time in this boot.
  bool Sent(std::uint64_t id, std::uint32_t sequence);

  // It was sent in this session and is not to be sent again yet.
  bool WasSent(std::uint64_t id) const;

  // This boot was given the entry, and `page` is a page of it.
  bool WasGiven(std::uint64_t id, const ByteRange& page, std::uint32_t guest_page_size) const;

  // These bytes of the entry have a final verdict of this boot, and none that may change soon.
  bool HasFinalWord(std::uint64_t id, const ByteRange& range) const;

  Judgement Judge(const protocol::VerdictRecord& record, std::uint32_t guest_page_size,
                  MonoTime now);

  std::size_t size() const { return pages_.size(); }
  std::size_t unanswered() const { return unanswered_; }
  // Entries that were sent in this session and wait for an answer.
  std::size_t in_flight() const { return unanswered_ - queued_unanswered_; }
  // Of all entries that a next boot must know, too: consumed and latent ones.
  const protocol::PageSet& set() const { return set_; }
  // The part of set() that has a final verdict of this boot.
  protocol::PageSet Answered() const;

 private:
  enum class State { kToSend, kSent, kAnswered, kDeferred };
  struct Page {
    protocol::PoisonEntry entry;
    State state = State::kToSend;
    bool given = false;                // sent in this boot: the guest may speak about it
    bool on_record = false;            // MarkAnswered
    bool fresh = true;                 // never sent to any boot: goes first
    std::uint32_t first_sequence = 0;  // frame of its first copy that is not proven; 0: none
    std::uint32_t last_sequence = 0;   // frame of its last copy
    VerdictMap verdicts;
    MonoTime deferral_ends{};
    MonoTime next_deferral_counts{};
  };
  using Pages = std::map<std::uint64_t, Page>;

  void SetState(Page& page, State state);
  void Drop(Pages::iterator page);
  void RebuildSet();
  void Reset(Page& page);
  Belief Learn(Page& page, const protocol::VerdictRecord& record, MonoTime now);
  static std::pair<bool, std::uint64_t> QueueKey(const Page& page) {
    return {!page.fresh, page.entry.id};
  }

  const SessionLimits limits_;
  Pages pages_;
  protocol::PageSet set_;
  std::set<std::pair<bool, std::uint64_t>> queue_;         // of the pages in kToSend
  std::set<std::pair<MonoTime, std::uint64_t>> deferred_;  // of the pages in kDeferred
  std::size_t unanswered_ = 0;                             // kToSend and kSent
  std::size_t queued_unanswered_ = 0;                      // kToSend
  std::size_t pieces_ = 0;                                 // of all VerdictMaps
};

}  // namespace seaward::session
