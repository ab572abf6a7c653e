// A ledger in a folder of its own, and what happens around it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "base/fake_clock.h"
#include "host-notifier/classify/classify.h"
#include "host-notifier/ledger/ledger.h"

namespace seaward::ledger {

inline const Uuid kHostBoot = ParseUuid("00000000-0000-4000-8000-0000000000b0").value();
inline const Uuid kGuestBoot1 = ParseUuid("00000000-0000-4000-8000-0000000000a1").value();
inline const Uuid kGuestBoot2 = ParseUuid("00000000-0000-4000-8000-0000000000a2").value();
inline const VmIdentity kVm{ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809").value(), "g1"};
inline constexpr ProcessIdentity kVmm{4711, 88};

class LedgerFixture : public testing::Test {
 protected:
  LedgerFixture() {
    std::string pattern = "/tmp/swl.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    OpenLedger();
  }
  ~LedgerFixture() override {
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string Path() const { return folder_ + "/ledger.db"; }

  void OpenLedger(const Uuid& host_boot = kHostBoot, const LedgerLimits& limits = {}) {
    ledger_.reset();
    auto opened = Ledger::Open(Path(), host_boot, clock_, limits);
    ASSERT_TRUE(opened) << opened.error().Text();
    ledger_ = std::move(opened->ledger);
    set_aside_ = opened->set_aside;
    why_ = opened->why;
  }
  Uuid VmStarts(const ProcessIdentity& vmm = kVmm) {
    auto begun = ledger_->BeginIncarnation(kVm, vmm);
    EXPECT_TRUE(begun) << begun.error().Text();
    return begun ? begun->id : Uuid{};
  }
  PoisonEvent Exit(std::uint64_t gpa) const {
    PoisonEvent event;
    event.range = ByteRange::Granule(GuestPhysAddr{gpa});
    event.location = Location::kLocated;
    event.access = Access::kData;
    event.severity = Severity::kRecoverable;
    event.when = clock_.Now();
    event.wall = clock_.WallNow();
    event.vcpu = 1;
    event.flags = 1;
    event.esr = 0x92000010;
    event.raw_gpa = gpa;
    event.raw_gva = 0x40412018;
    event.gva = GuestVirtAddr{0x40412018};
    event.hva = HostVirtAddr{0x7f0000000000};
    return event;
  }
  // A table walk for `gva` that failed at the table in `gpa`.
  PoisonEvent WalkedExit(std::uint64_t gpa, std::uint64_t gva) const {
    PoisonEvent event = Exit(gpa);
    event.suspect = std::exchange(event.range, std::nullopt);
    event.location = Location::kSuspected;
    event.access = Access::kTableWalk;
    event.flags = 0;
    event.esr = 0x92000017;
    event.raw_gpa = 0;
    event.raw_gva = gva;
    event.gva = GuestVirtAddr{gva};
    return event;
  }
  PoisonEvent Report(std::uint64_t gpa, std::uint64_t length, protocol::Evidence evidence) const {
    return ClassifyReport(ByteRange::Make(GuestPhysAddr{gpa}, length).value(), evidence,
                          clock_.Now(), clock_.WallNow());
  }
  RecordedEvent Record(const Uuid& incarnation, const PoisonEvent& event,
                       std::optional<PageFrame> frame = std::nullopt) {
    auto recorded = ledger_->RecordEvent(incarnation, event, frame);
    EXPECT_TRUE(recorded) << recorded.error().Text();
    return recorded.value_or(RecordedEvent{});
  }
  protocol::VerdictRecord VerdictOn(const protocol::PoisonEntry& entry,
                                    protocol::Outcome outcome) const {
    protocol::VerdictRecord record;
    record.id = entry.id;
    record.range = entry.range;
    record.outcome = outcome;
    record.kind = protocol::PageKind::kAnonymous;
    return record;
  }
  // The boot that `boot` names has said hello, and says this.
  Result<PageRow> GuestAnswers(const Uuid& incarnation, const Uuid& boot,
                               const protocol::VerdictRecord& record) {
    auto begun = ledger_->BeginBoot(incarnation, boot);
    EXPECT_TRUE(begun);
    auto recorded = ledger_->RecordVerdict(incarnation, boot, record, clock_.Now());
    if (!recorded) return Forward(recorded);
    return std::move(recorded->page);
  }
  PageRow Page(std::uint64_t id) {
    auto page = ledger_->View().Page(id);
    EXPECT_TRUE(page) << page.error().Text();
    return page.value_or(PageRow{});
  }

  FakeClock clock_;
  std::string folder_;
  std::unique_ptr<Ledger> ledger_;
  std::optional<std::string> set_aside_;
  std::string why_;
};

}  // namespace seaward::ledger
