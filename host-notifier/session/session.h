// One guest's channel session, seen from the host: greets it, tells it which pages are bad, repeats
// what is not answered, and believes only what the guest can know. The guest is untrusted: memory,
// rates and outstanding bytes are bounded (SessionLimits).
//
// No I/O, no threads, no timers of its own: the owner feeds bytes and time. Single-threaded. Lives
// as long as the VM is known, across channels, boots and incarnations. Port and listener must
// outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "base/uuid.h"
#include "host-notifier/session/backoff.h"
#include "host-notifier/session/fault_counts.h"
#include "host-notifier/session/outbox.h"
#include "host-notifier/session/phase.h"
#include "host-notifier/session/session_edges.h"
#include "host-notifier/session/session_limits.h"
#include "host-notifier/session/token_bucket.h"
#include "host-notifier/session/wanted_pages.h"
#include "protocol/frame.h"
#include "protocol/frame_reader.h"
#include "protocol/messages.h"

namespace seaward::session {

enum class Delivery {
  kSent,     // its frame was handed to the port before Deliver returned
  kQueued,   // no session stands, or the guest has to read first
  kKnown,    // this entry is wanted already
  kRefused,  // not a range that can travel, or max_entries reached
};

// An entry of the ledger, and what the ledger knows of it.
struct KnownEntry {
  protocol::PoisonEntry entry;
  bool answered = false;  // a final verdict of Wanted::boot_id is on record
};

// What the ledger wants retired in one incarnation.
struct Wanted {
  Uuid incarnation;
  Uuid boot_id;  // the last boot that the ledger heard of; nil: none
  std::vector<KnownEntry> entries;
  bool recall = false;  // our record was lost: the guest is to say what it knows
};

class Session {
 public:
  Session(const SessionLimits& limits, const Clock& clock, SessionPort& port,
          SessionListener& listener);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The channel. ChannelOpened asks the guest for a hello at once.
  void ChannelOpened();
  void ChannelClosed();
  void ChannelWritable();
  void BytesReceived(std::span<const std::byte> bytes);
  // How many bytes the owner should read now, at most. 0: wait until NextDeadline().
  std::size_t ReadAllowance();

  // The wanted set of an incarnation. Until the first call a guest's hello stays unanswered. The
  // same incarnation again adds to the set; another one replaces it.
  void Begin(const Wanted& wanted);
  // New poison: sent at once when the session stands. `entry.id` names it; the same id with
  // stronger evidence or another range replaces the entry.
  Delivery Deliver(const protocol::PoisonEntry& entry);
  // These bytes are good again (healed). Entries that lie inside them completely are dropped.
  void Forget(std::span<const ByteRange> ranges);

  // Everything that is wanted goes to the guest once more: an operator doubts what it has.
  void Replay();

  // Does what is due; then NextDeadline() is later than now. nullopt: nothing until something
  // happens.
  void Tick();
  std::optional<MonoTime> NextDeadline() const;

  Phase phase() const { return phase_; }
  const Uuid& boot_id() const { return boot_id_; }
  const Uuid& incarnation() const { return incarnation_; }
  std::size_t wanted_entries() const { return pages_.size(); }
  std::size_t unanswered_entries() const { return pages_.unanswered(); }
  // Nothing else is to come about these bytes of the entry in this boot: they have a final verdict.
  bool HasFinalWord(std::uint64_t id, const ByteRange& range) const {
    return pages_.HasFinalWord(id, range);
  }
  // Those of them that the guest owes for longer than SessionLimits::verdict_deadline.
  std::size_t overdue_entries() const { return overdue_ ? pages_.unanswered() : 0; }
  std::size_t outstanding_bytes() const { return outbox_.outstanding_bytes(); }
  std::uint64_t faults(ProtocolFault fault) const { return faults_.total(fault); }

 private:
  // A hello that waits for its step.
  struct Greeting {
    protocol::Nonce nonce = protocol::Nonce::kNone;
    std::uint32_t sequence = 0;
    protocol::Hello hello;
  };

  void Dispatch(Event event);
  void Perform(const Actions& actions);

  void EndSession();
  void StartSession();
  void Call();
  void StopCalling();
  void GuestHeard();
  void ChooseEntries();
  void WatchVerdicts();
  void ResendUnanswered();
  void OweClear(const protocol::PageSet& before);
  void Pump();
  void ReportSynced();

  void FrameHeard(const protocol::Frame& frame);
  void HelloHeard(const protocol::FrameHeader& header, const protocol::Hello& hello);
  bool AcceptSequence(std::uint32_t sequence);
  void MessageHeard(const protocol::Message& message);
  void KnownHeard(protocol::Known known);
  void VerdictHeard(const protocol::Verdict& verdict);
  void LossesHeard(const protocol::Losses& losses);
  void CheckAllAnswered();
  void CountGarbage();

  const SessionLimits limits_;
  const Clock& clock_;
  SessionListener& listener_;

  Phase phase_ = Phase::kNoChannel;
  Phase reported_phase_ = Phase::kNoChannel;

  protocol::FrameReader reader_{protocol::FrameReader::Memory::kOnDemand};
  TokenBucket read_budget_;
  TokenBucket hello_budget_;
  TokenBucket loss_budget_;
  bool reading_paused_ = false;
  std::uint64_t garbage_counted_ = 0;
  std::uint64_t foreign_counted_ = 0;
  FaultCounts faults_;

  bool wanted_known_ = false;
  bool recalling_ = false;  // the guest is asked what it knows, and has not said the last of it
  std::size_t known_heard_ = 0;  // records of its answer in this session
  Uuid incarnation_;
  WantedPages pages_;

  Greeting greeting_;  // the one that began the session, or is about to
  protocol::Nonce nonce_ = protocol::Nonce::kNone;
  std::uint32_t heard_sequence_ = 0;
  Uuid boot_id_;  // the last boot heard of, by us or by the ledger
  bool new_boot_ = false;
  bool guest_said_sync_ = false;
  bool synced_reported_ = false;
  // The guest's own set, where the host wants more than that: it counts as given.
  std::optional<protocol::Sync> common_;

  Outbox outbox_;
  Backoff calls_;
  Backoff resends_;
  std::uint32_t unheard_calls_ = 0;  // hello requests and probes since the guest was last heard
  std::optional<MonoTime> quiet_at_;
  std::optional<MonoTime> port_retry_;
  std::optional<MonoTime> verdicts_due_;
  bool overdue_ = false;
};

}  // namespace seaward::session
