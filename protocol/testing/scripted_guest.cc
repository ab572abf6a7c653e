#include "protocol/testing/scripted_guest.h"

#include <algorithm>
#include <utility>

namespace seaward::protocol::testing {
namespace {

std::vector<VerdictRecord> RetireIt(const PoisonEntry& entry) {
  VerdictRecord record;
  record.id = entry.id;
  record.range = entry.range;
  record.outcome = Outcome::kRetired;
  record.kind = PageKind::kAnonymous;
  record.duration = std::chrono::microseconds(350);
  return {record};
}

bool AnyDeferred(const std::vector<VerdictRecord>& records) {
  return std::any_of(records.begin(), records.end(), [](const VerdictRecord& record) {
    return record.outcome == Outcome::kDeferred;
  });
}

}  // namespace

Uuid NumberedUuid(std::uint64_t number) {
  Uuid uuid;
  uuid.bytes[0] = std::byte{0x5e};
  for (std::size_t i = 0; i < 8; ++i)
    uuid.bytes[15 - i] = static_cast<std::byte>(number >> (8 * i));
  return uuid;
}

ScriptedGuest::ScriptedGuest(const Uuid& boot_id) : decide_(RetireIt) {
  hello_.boot_id = boot_id;
  hello_.machine = NumberedUuid(0xac);
  hello_.agent_version = "scripted";
}

void ScriptedGuest::SayHello() {
  // Distinct for each boot and session, as random ones are.
  std::uint64_t nonce = ++nonces_used_;
  for (const std::byte b : hello_.boot_id.bytes)
    nonce = nonce * 0x100000001b3 + std::to_integer<std::uint64_t>(b);
  nonce_ = static_cast<Nonce>(nonce | 1);
  sequence_ = heard_sequence_ = 0;
  welcome_.reset();
  target_.reset();
  synced_ = false;
  given_.Clear();
  unanswered_ = 0;
  hello_.digest = dealt_with_.digest();
  hello_.entries = dealt_with_.entries();
  Say(hello_);
}

void ScriptedGuest::RepeatHello() {
  Say(hello_);
}

void ScriptedGuest::RestartAgent() {
  reader_.Reset();
  output_.clear();
  SayHello();
}

void ScriptedGuest::Reboot(const Uuid& boot_id) {
  reader_.Reset();
  output_.clear();
  answers_.clear();
  dealt_with_.Clear();
  nonce_ = Nonce::kNone;
  welcome_.reset();
  hello_.boot_id = boot_id;
}

void ScriptedGuest::Say(const Message& message) {
  const auto frame = EncodeFrame(message, nonce_, ++sequence_);
  if (frame) SayRaw(*frame);
}

void ScriptedGuest::SayRaw(std::span<const std::byte> bytes) {
  output_.insert(output_.end(), bytes.begin(), bytes.end());
}

void ScriptedGuest::Receive(std::span<const std::byte> bytes) {
  reader_.Feed(bytes, [this](const Frame& frame) { FrameHeard(frame); });
}

std::vector<std::byte> ScriptedGuest::TakeOutput() {
  return std::exchange(output_, {});
}

void ScriptedGuest::FrameHeard(const Frame& frame) {
  if (frame.header.type == MessageType::kHelloRequest && frame.header.nonce == Nonce::kNone) {
    ++calls_heard_;
    const bool hello_pending = nonce_ != Nonce::kNone && !welcomed();
    if (!hello_pending) SayHello();
    return;
  }
  const Result<Message> message = Decode(frame);
  if (!message || nonce_ == Nonce::kNone || frame.header.nonce != nonce_ ||
      frame.header.sequence <= heard_sequence_) {
    ++rejected_frames_;
    return;
  }
  heard_sequence_ = frame.header.sequence;
  MessageHeard(*message);
}

void ScriptedGuest::MessageHeard(const Message& message) {
  if (const auto* ack = std::get_if<HelloAck>(&message)) {
    welcome_ = *ack;
    hello_.incarnation = ack->incarnation;
  } else if (const auto* sync = std::get_if<Sync>(&message)) {
    SyncHeard(*sync);
  } else if (const auto* poison = std::get_if<Poison>(&message)) {
    Verdict verdict;
    for (const PoisonEntry& entry : poison->entries) EntryHeard(entry, verdict);
    for (const Verdict& part : SplitToFit(verdict)) Say(part);
  } else if (const auto* clear = std::get_if<Clear>(&message)) {
    for (const ByteRange& range : clear->ranges) {
      ranges_cleared_.push_back(range);
      given_.Erase(range);
      dealt_with_.Erase(range);
    }
  } else if (std::holds_alternative<Recall>(message)) {
    ++recalls_heard_;
    if (known_)
      for (const Known& part : KnownAnswer(*known_)) Say(part);
  } else if (std::holds_alternative<Ping>(message)) {
    ++pings_heard_;
    if (answering_) Say(Pong{});
  } else if (!std::holds_alternative<Pong>(message)) {
    ++rejected_frames_;
  }
  MaybeSaySync();
}

void ScriptedGuest::SyncHeard(const Sync& sync) {
  // The host has what this boot dealt with before: nothing of it will come again.
  if (!target_ && sync.digest == hello_.digest && sync.entries == hello_.entries)
    given_ = dealt_with_;
  target_ = sync;
  synced_ = false;
}

void ScriptedGuest::EntryHeard(const PoisonEntry& entry, Verdict& verdict) {
  entries_heard_.push_back(entry);
  if (!answering_) {
    ++unanswered_;
    return;
  }
  auto answer = answers_.find(entry.id);
  if (answer == answers_.end()) answer = answers_.emplace(entry.id, decide_(entry)).first;
  const std::vector<VerdictRecord>& records = answer->second;
  if (records.empty()) ++unanswered_;
  verdict.records.insert(verdict.records.end(), records.begin(), records.end());
  if (entry.evidence == Evidence::kPredicted) return;
  given_.Insert(entry.range);
  if (!records.empty() && !AnyDeferred(records)) dealt_with_.Insert(entry.range);
}

void ScriptedGuest::MaybeSaySync() {
  if (synced_ || !target_ || !answering_ || unanswered_ > 0) return;
  if (given_.digest() != target_->digest || given_.entries() != target_->entries) return;
  synced_ = true;
  Say(Sync{dealt_with_.digest(), dealt_with_.entries()});
}

}  // namespace seaward::protocol::testing
