// What the host still has to say in one session, and the bytes it has said that nothing proves to
// be read. Small messages are owed once, however often they are asked for; poison entries come from
// WantedPages as far as the window has room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/uuid.h"
#include "host-notifier/session/send_window.h"
#include "host-notifier/session/session_edges.h"
#include "host-notifier/session/session_limits.h"
#include "host-notifier/session/wanted_pages.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "protocol/page_set.h"

namespace seaward::session {

class Outbox {
 public:
  Outbox(const SessionLimits& limits, SessionPort& port) : limits_(limits), port_(port) {}

  // The session `nonce` begins: nothing is owed, nothing outstanding.
  void Start(protocol::Nonce nonce);
  // No session: only a call may be owed.
  void End();

  void OweCall() { owed_.call = true; }
  void DropCall() { owed_.call = false; }
  // `common`: the set that the guest said it has, where it is not all of ours.
  void OweWelcome(const protocol::HelloAck& ack, const std::optional<protocol::Sync>& common) {
    owed_.welcome = ack;
    owed_.common = common;
  }
  // Behind the welcome, before any sync.
  void OweRecall() { owed_.recall = true; }
  void OweSync() { owed_.sync = true; }
  void OweClear(const std::vector<ByteRange>& ranges);
  void OwePing() { owed_.ping = true; }
  void OwePong() { owed_.pong = true; }

  // Sends what is owed and then, when `stands`, the next entries. False: the port refused a frame;
  // pump again when it may take one. `sent` gets the entries sent for the first time in this boot.
  bool Pump(bool stands, WantedPages& pages, std::vector<protocol::PoisonEntry>& sent);

  // The guest has read the frame `sequence`; the last ping; everything.
  void Proven(std::uint32_t sequence) { window_.Proven(sequence); }
  void PingAnswered() { window_.Proven(ping_sequence_); }
  void WelcomeAnswered() { window_.Proven(welcome_sequence_); }
  void AllProven() { window_.Clear(); }

  bool HasRoom() const { return EntriesThatFit() > 0; }
  std::size_t outstanding_bytes() const { return window_.outstanding_bytes(); }

 private:
  struct Owed {
    bool call = false;
    std::optional<protocol::HelloAck> welcome;
    std::optional<protocol::Sync> common;
    bool recall = false;
    bool sync = false;
    bool ping = false;
    bool pong = false;
    protocol::PageSet clear;
  };

  bool PumpOwed(const WantedPages& pages);
  bool PumpClear();
  bool PumpEntries(WantedPages& pages, std::vector<protocol::PoisonEntry>& sent);
  // The sequence number of the frame, or nothing when the port refused it.
  std::optional<std::uint32_t> Send(const protocol::Message& message);
  bool SendOwed(bool& owed, const protocol::Message& message);
  std::size_t EntriesThatFit() const;

  const SessionLimits limits_;
  SessionPort& port_;
  protocol::Nonce nonce_ = protocol::Nonce::kNone;
  std::uint32_t sequence_ = 0;  // of the last frame sent
  std::uint32_t ping_sequence_ = 0;
  std::uint32_t welcome_sequence_ = 0;
  Owed owed_;
  SendWindow window_;
};

}  // namespace seaward::session
