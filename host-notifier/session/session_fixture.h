// A session and a scripted guest that hear each other when the test says so.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/fake_clock.h"
#include "host-notifier/session/session.h"
#include "host-notifier/session/session_fakes.h"
#include "protocol/testing/scripted_guest.h"

namespace seaward::session {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PoisonEntry;
using protocol::VerdictRecord;
using protocol::testing::NumberedUuid;
using protocol::testing::ScriptedGuest;

inline const Uuid kFirstBoot = NumberedUuid(1);
inline const Uuid kSecondBoot = NumberedUuid(2);
inline const Uuid kIncarnation = NumberedUuid(100);

inline ByteRange Page(std::uint64_t number, std::uint64_t count = 1) {
  return ByteRange::Make(GuestPhysAddr{0x4000'0000 + number * kPoisonGranule},
                         count * kPoisonGranule)
      .value();
}

// Entry `id` is page number `id`; even neighbours stay apart so that ranges do not merge.
inline PoisonEntry Entry(std::uint64_t id, Evidence evidence = Evidence::kConsumed) {
  return {id, Page(2 * id), evidence, false};
}

inline VerdictRecord Record(std::uint64_t id, Outcome outcome) {
  VerdictRecord record;
  record.id = id;
  record.range = Page(2 * id);
  record.outcome = outcome;
  return record;
}

class SessionFixture : public ::testing::Test {
 protected:
  explicit SessionFixture(const SessionLimits& limits = {})
      : session_(limits, clock_, port_, listener_), guest_(kFirstBoot) {}

  // Bytes go back and forth until both are silent.
  void Exchange() {
    for (int round = 0; round < 1000; ++round) {
      const auto to_guest = port_.Take();
      guest_.Receive(to_guest);
      const auto to_host = guest_.TakeOutput();
      if (to_guest.empty() && to_host.empty()) return;
      session_.BytesReceived(to_host);
    }
    FAIL() << "host and guest never fall silent";
  }

  void KnowWanted(std::vector<PoisonEntry> entries = {}) {
    Wanted wanted{kIncarnation, {}, {}, false};
    for (const PoisonEntry& entry : entries) wanted.entries.push_back({entry, false});
    session_.Begin(wanted);
  }

  void GoLive(std::vector<PoisonEntry> entries = {}) {
    KnowWanted(std::move(entries));
    session_.ChannelOpened();
    Exchange();
    ASSERT_EQ(session_.phase(), Phase::kLive);
  }

  void GuestSays(const protocol::Message& message) {
    guest_.Say(message);
    session_.BytesReceived(guest_.TakeOutput());
  }
  void GuestJudges(std::vector<VerdictRecord> records) {
    GuestSays(protocol::Verdict{std::move(records)});
  }

  void GuestReboots(const Uuid& boot_id) {
    guest_.Reboot(boot_id);
    guest_.SayHello();
    Exchange();
  }

  // Time passes up to each deadline in turn; what the session sends is heard only by Exchange().
  void Pass(std::chrono::milliseconds time) {
    const MonoTime end = clock_.Now() + time;
    for (auto due = session_.NextDeadline(); due && *due <= end; due = session_.NextDeadline()) {
      if (*due > clock_.Now()) clock_.Advance(*due - clock_.Now());
      session_.Tick();
      const auto next = session_.NextDeadline();
      ASSERT_TRUE(!next || *next > clock_.Now()) << "a deadline stays in the past";
    }
    clock_.Advance(end - clock_.Now());
    session_.Tick();
  }

  std::vector<std::uint64_t> IdsHeard() const {
    std::vector<std::uint64_t> ids;
    for (const PoisonEntry& entry : guest_.entries_heard()) ids.push_back(entry.id);
    return ids;
  }
  std::vector<std::uint64_t> IdsJudged() const {
    std::vector<std::uint64_t> ids;
    for (const VerdictRecord& record : listener_.verdicts) ids.push_back(record.id);
    return ids;
  }

  FakeClock clock_;
  FakePort port_;
  RecordingListener listener_;
  Session session_;
  ScriptedGuest guest_;
};

}  // namespace seaward::session
