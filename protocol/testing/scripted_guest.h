// A small guest for tests of the host's side: plays the agent's part of protocol/spec.md over
// bytes. It owns no memory and retires nothing; the test says what it answers. Works over any
// transport: bytes in through Receive, bytes out through TakeOutput.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "protocol/codec.h"
#include "protocol/frame_reader.h"
#include "protocol/messages.h"
#include "protocol/page_set.h"

namespace seaward::protocol::testing {

// A UUID that differs for each number; never nil.
Uuid NumberedUuid(std::uint64_t number);

class ScriptedGuest {
 public:
  // The records that answer one entry; none leaves it unanswered. It is asked once per entry and
  // boot: a repeated entry gets the same answer again.
  using Decide = std::function<std::vector<VerdictRecord>(const PoisonEntry&)>;

  // Answers every entry with kRetired.
  explicit ScriptedGuest(const Uuid& boot_id);

  void set_decide(Decide decide) { decide_ = std::move(decide); }
  void set_stage(Stage stage) { hello_.stage = stage; }
  void set_page_size(std::uint32_t bytes) { hello_.page_size = bytes; }
  // Off: entries and syncs stay unanswered, as from an agent that hangs.
  void set_answering(bool answering) { answering_ = answering; }

  // What it answers to a recall; without a call it leaves it unanswered, as older agents do.
  void set_known(std::vector<KnownRecord> known) { known_ = std::move(known); }

  // A session with a new nonce: what an agent does when it starts or is asked.
  void SayHello();
  // The same hello once more: what an agent does when no ack comes.
  void RepeatHello();
  // The agent's process dies and starts: the boot and what it retired stay, the session does not.
  void RestartAgent();
  // Everything is forgotten, the kernel included.
  void Reboot(const Uuid& boot_id);

  // Any message in the current session, with the next sequence number.
  void Say(const Message& message);
  void SayRaw(std::span<const std::byte> bytes);

  void Receive(std::span<const std::byte> bytes);
  std::vector<std::byte> TakeOutput();

  bool welcomed() const { return welcome_.has_value(); }
  const std::optional<HelloAck>& welcome() const { return welcome_; }
  // It has said sync to the last sync it heard.
  bool synced() const { return synced_; }
  Nonce nonce() const { return nonce_; }
  // As they came, repetitions included.
  const std::vector<PoisonEntry>& entries_heard() const { return entries_heard_; }
  const std::vector<ByteRange>& ranges_cleared() const { return ranges_cleared_; }
  std::size_t recalls_heard() const { return recalls_heard_; }
  std::size_t pings_heard() const { return pings_heard_; }
  std::size_t calls_heard() const { return calls_heard_; }
  std::size_t rejected_frames() const { return rejected_frames_; }
  std::uint64_t dropped_bytes() const { return reader_.dropped_bytes(); }
  const PageSet& dealt_with() const { return dealt_with_; }

 private:
  void FrameHeard(const Frame& frame);
  void MessageHeard(const Message& message);
  void SyncHeard(const Sync& sync);
  void EntryHeard(const PoisonEntry& entry, Verdict& verdict);
  void MaybeSaySync();

  Hello hello_;
  Decide decide_;
  bool answering_ = true;
  Nonce nonce_ = Nonce::kNone;
  std::uint64_t nonces_used_ = 0;
  std::uint32_t sequence_ = 0;
  std::uint32_t heard_sequence_ = 0;
  FrameReader reader_;
  std::vector<std::byte> output_;

  std::optional<HelloAck> welcome_;
  std::optional<Sync> target_;
  bool synced_ = false;
  PageSet given_;       // of this session, for the comparison with target_
  PageSet dealt_with_;  // of this boot: what a hello's digest covers
  std::map<std::uint64_t, std::vector<VerdictRecord>> answers_;  // of this boot
  std::size_t unanswered_ = 0;

  std::vector<PoisonEntry> entries_heard_;
  std::vector<ByteRange> ranges_cleared_;
  std::optional<std::vector<KnownRecord>> known_;
  std::size_t recalls_heard_ = 0;
  std::size_t pings_heard_ = 0;
  std::size_t calls_heard_ = 0;
  std::size_t rejected_frames_ = 0;
};

}  // namespace seaward::protocol::testing
