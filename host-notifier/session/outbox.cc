#include "host-notifier/session/outbox.h"

#include <algorithm>
#include <array>

#include "protocol/codec.h"

namespace seaward::session {

using protocol::Message;
using protocol::PoisonEntry;

void Outbox::Start(protocol::Nonce nonce) {
  // A channel that was closed and opened again may bring the same session: the guest takes only
  // higher numbers than before.
  if (nonce != nonce_) sequence_ = 0;
  nonce_ = nonce;
  ping_sequence_ = welcome_sequence_ = 0;
  End();
}

void Outbox::End() {
  owed_ = {};
  window_.Clear();
}

void Outbox::OweClear(const std::vector<ByteRange>& ranges) {
  for (const ByteRange& range : ranges) owed_.clear.Insert(range);
}

bool Outbox::Pump(bool stands, WantedPages& pages, std::vector<PoisonEntry>& sent) {
  if (owed_.call) {
    std::array<std::byte, protocol::kHeaderBytes> frame;
    const auto size = EncodeFrame(protocol::HelloRequest{}, protocol::Nonce::kNone, 1, frame);
    if (!size || !port_.Send(std::span(frame).first(*size))) return false;
    owed_.call = false;
  }
  if (!stands) return true;
  return PumpOwed(pages) && PumpClear() && PumpEntries(pages, sent);
}

bool Outbox::PumpOwed(const WantedPages& pages) {
  if (owed_.welcome) {
    const auto sequence = Send(*owed_.welcome);
    if (!sequence) return false;
    welcome_sequence_ = *sequence;
    owed_.welcome.reset();
  }
  if (!SendOwed(owed_.recall, protocol::Recall{})) return false;
  if (owed_.common) {
    if (!Send(*owed_.common)) return false;
    owed_.common.reset();
  }
  if (!SendOwed(owed_.sync, protocol::Sync{pages.set().digest(), pages.set().entries()}))
    return false;
  if (!SendOwed(owed_.pong, protocol::Pong{})) return false;
  const bool pinging = owed_.ping;
  if (!SendOwed(owed_.ping, protocol::Ping{})) return false;
  if (pinging) ping_sequence_ = sequence_;
  return true;
}

bool Outbox::SendOwed(bool& owed, const Message& message) {
  if (owed && !Send(message)) return false;
  owed = false;
  return true;
}

bool Outbox::PumpClear() {
  if (owed_.clear.entries() == 0) return true;
  protocol::Clear all;
  for (const ByteRange& range : owed_.clear.ranges()) {
    // Merged ranges may have grown beyond what one range on the wire may span.
    for (std::uint64_t offset = 0; offset < range.length(); offset += protocol::kMaxRangeBytes) {
      const auto length = std::min(range.length() - offset, protocol::kMaxRangeBytes);
      const auto part = ByteRange::Make(GuestPhysAddr{range.start().value + offset}, length);
      if (part) all.ranges.push_back(*part);
    }
  }
  for (const protocol::Clear& clear : SplitToFit(all)) {
    if (!Send(clear)) return false;
    for (const ByteRange& range : clear.ranges) owed_.clear.Erase(range);
  }
  return true;
}

bool Outbox::PumpEntries(WantedPages& pages, std::vector<PoisonEntry>& sent) {
  while (pages.AnyToSend()) {
    protocol::Poison poison{pages.Next(EntriesThatFit())};
    if (poison.entries.empty()) return true;  // the guest has to read first
    const auto sequence = Send(poison);
    if (!sequence) return false;
    for (const PoisonEntry& entry : poison.entries)
      if (pages.Sent(entry.id, *sequence)) sent.push_back(entry);
  }
  return true;
}

std::optional<std::uint32_t> Outbox::Send(const Message& message) {
  std::array<std::byte, protocol::kMaxFrameBytes> frame;
  const auto size = EncodeFrame(message, nonce_, sequence_ + 1, frame);
  if (!size || !port_.Send(std::span(frame).first(*size))) return std::nullopt;
  ++sequence_;
  window_.Sent(sequence_, *size);
  return sequence_;
}

std::size_t Outbox::EntriesThatFit() const {
  constexpr std::size_t kEmptyFrame = protocol::kHeaderBytes + protocol::kListHeaderBytes;
  // However small the limit is set, one entry travels beside the small messages of a greeting.
  constexpr std::size_t kSmallestLimit = 512;
  const std::size_t limit = std::max(limits_.outstanding_bytes, kSmallestLimit);
  const std::size_t used = std::min(window_.outstanding_bytes() + kEmptyFrame, limit);
  return std::min((limit - used) / protocol::kPoisonEntryBytes, protocol::kMaxPoisonEntries);
}

}  // namespace seaward::session
