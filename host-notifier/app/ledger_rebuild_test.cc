// The ledger was corrupt: what a real notifier gets back from its guests.
#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

constexpr std::uint64_t kPage = 0x40711000;

protocol::KnownRecord KnownAt(std::uint64_t gpa, protocol::Evidence evidence, bool this_boot,
                              std::uint64_t length = kPoisonGranule) {
  return {ByteRange::Make(GuestPhysAddr{gpa}, length).value(), evidence, this_boot};
}

class LedgerRebuildTest : public NotifierProcessTest {
 protected:
  // A notifier, a VM that stays attached throughout, and pages that its guest retired.
  void PagesAreRetired(std::size_t count) {
    GuestBoots();
    StartNotifier();
    VmmAttaches();
    for (std::size_t i = 0; i < count; ++i) VcpuConsumesPoison(kPage + i * 8192);
    Until("all are retired", [&] {
      return Count("SELECT count(*) FROM page WHERE life='retired'") ==
             static_cast<std::int64_t>(count);
    });
    incarnation_ = StatusOf("/vms/0/incarnation");
  }
  // Bytes of the file change while nobody looks: the disk did it.
  void LedgerIsCorrupted() {
    StopNotifier();
    std::fstream file(dir_ / "state/ledger.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0);
    file << std::string(5000, 'x');
  }
  void EverythingIsToldAgain() {
    StartNotifier();
    Until("the guest has answered", [this] {
      return StatusOf("/ledger/rebuilt/vms_to_ask") == 0 && guest_.recalls_heard() > 0;
    });
  }
  std::int64_t Events() { return Count("SELECT count(*) FROM event"); }

  Json incarnation_;
};

TEST_F(LedgerRebuildTest, WhatTheGuestRetiredIsOnRecordAgain) {
  PagesAreRetired(3);
  guest_.set_known({KnownAt(kPage, protocol::Evidence::kConsumed, true),
                    KnownAt(kPage + 8192, protocol::Evidence::kLatent, true),
                    KnownAt(kPage + 2 * 8192, protocol::Evidence::kConsumed, true)});
  LedgerIsCorrupted();
  EverythingIsToldAgain();
  EXPECT_TRUE(Logged("event=ledger_corrupt"));
  EXPECT_EQ(incarnation_, StatusOf("/vms/0/incarnation")) << "the same memory, the same name";
  Until("each has its life back",
        [this] { return Count("SELECT count(*) FROM page WHERE life='retired'") == 3; });
  EXPECT_EQ(3, Count("SELECT count(*) FROM page WHERE located_by='guest' AND outcome='retired'"));
  EXPECT_EQ(1, Count("SELECT count(*) FROM page WHERE evidence='latent'"));
  EXPECT_EQ(3, StatusOf("/ledger/rebuilt/pages_from_guests"));
  EXPECT_EQ(Json(), StatusOf("/vms/0/pages/0/exposure_us")) << "nobody knows when the error came";
  EXPECT_EQ(false, StatusOf("/vms/0/migration/safe"));
  const Json audit = Ask({{"op", "audit"}})["audit"];
  ASSERT_EQ(1u, audit.size());
  EXPECT_EQ("rebuild", audit[0]["action"]);
  EXPECT_EQ(3, audit[0]["pages"]);
  EXPECT_TRUE(Logged("event=record_rebuilt"));
  // An error that this host sees makes the claim its own knowledge.
  VcpuConsumesPoison(kPage);
  Until("the host knows by itself",
        [this] { return Count("SELECT count(*) FROM page WHERE located_by='gpa'") == 1; });
  EXPECT_EQ(3, Count("SELECT count(*) FROM page"));
  StopNotifier();
}

TEST_F(LedgerRebuildTest, PagesOfAnEarlierBootAreReplayed) {
  PagesAreRetired(1);
  guest_.set_known({KnownAt(kPage, protocol::Evidence::kConsumed, false, 3 * kPoisonGranule)});
  LedgerIsCorrupted();
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  const std::size_t heard = guest_.entries_heard().size();
  EverythingIsToldAgain();
  Until("the guest retires them in this boot", [&] {
    return guest_.entries_heard().size() > heard && StatusOf("/vms/0/pages/0/life") == "retired";
  });
  EXPECT_TRUE(guest_.entries_heard().back().replay);
  EXPECT_EQ(3 * kPoisonGranule, guest_.entries_heard().back().range.length());
  StopNotifier();
}

// Killed between two frames of the answer, or before all of them: the next notifier asks again.
TEST_F(LedgerRebuildTest, AnAnswerThatWasCutOffIsAskedForAgain) {
  PagesAreRetired(1);
  LedgerIsCorrupted();
  StartNotifier();  // the guest leaves the question open
  Until("it is asked", [this] { return guest_.recalls_heard() == 1; });
  guest_.Say(protocol::Known{{KnownAt(kPage, protocol::Evidence::kConsumed, true)}, false});
  Until("the first part is on record", [this] { return Count("SELECT count(*) FROM page") == 1; });
  EXPECT_EQ(1, StatusOf("/ledger/rebuilt/vms_to_ask"));
  KillNotifier();
  guest_.set_known({KnownAt(kPage, protocol::Evidence::kConsumed, true),
                    KnownAt(kPage + 8192, protocol::Evidence::kConsumed, true)});
  EverythingIsToldAgain();
  Until("both are retired",
        [this] { return Count("SELECT count(*) FROM page WHERE life='retired'") == 2; });
  EXPECT_EQ(2, Count("SELECT count(*) FROM page"));
  StopNotifier();
  StartNotifier();
  Until("the guest is in step again", [this] { return StatusOf("/vms/0/session") == "live"; });
  EXPECT_EQ(2u, guest_.recalls_heard()) << "not a third time";
  StopNotifier();
}

// What a guest makes up harms nobody but itself, and counts for no rule.
TEST_F(LedgerRebuildTest, AGuestThatLiesCausesNoActionAndHidesNoError) {
  Configure("none",
            "policy:\n  hooks:\n    - name: tell\n      program: /bin/true\n"
            "  rules:\n    - name: any_page\n      when: pages\n      at_least: 1\n"
            "      notify: [tell]\n    - name: left_in_use\n      when: unretired_pages\n"
            "      for_s: 0\n      notify: [tell]\n");
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("the VM is in step", [this] { return guest_.synced(); });
  std::vector<protocol::KnownRecord> lies;
  for (std::uint64_t i = 0; i < 500; ++i)
    lies.push_back(KnownAt(0x80000000 + i * 8192, protocol::Evidence::kConsumed, true));
  guest_.set_known(lies);
  guest_.set_decide([](const protocol::PoisonEntry& entry) {
    protocol::VerdictRecord record;
    record.id = entry.id;
    record.range = entry.range;
    record.outcome = protocol::Outcome::kInKernel;  // and does not let them go
    return std::vector{record};
  });
  LedgerIsCorrupted();
  EverythingIsToldAgain();
  Until("all that is believed is answered",
        [this] { return Count("SELECT count(*) FROM page WHERE life='failed'") == 500; });
  EXPECT_EQ(0, Count("SELECT count(*) FROM decision"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM page WHERE host_retired<>'no'"));
  VcpuConsumesPoison(kPage);
  Until("a real error still counts",
        [this] { return Count("SELECT count(*) FROM decision WHERE rule='any_page'") == 1; });
  EXPECT_EQ(1, Count("SELECT count(*) FROM page WHERE located_by='gpa'"));
  StopNotifier();
}

}  // namespace
}  // namespace seaward
