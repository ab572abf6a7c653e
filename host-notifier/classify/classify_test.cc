#include "host-notifier/classify/classify.h"

#include <gtest/gtest.h>

#include "protocol/format.h"

namespace seaward {
namespace {

constexpr std::uint64_t kGpaValid = 1;
constexpr std::uint64_t kDataAbort = 0x92000000;         // EC 0x24, IL
constexpr std::uint64_t kInstructionAbort = 0x82000000;  // EC 0x20, IL
constexpr std::uint64_t kFnv = 0x400;

PoisonEvent Classify(std::uint64_t flags, std::uint64_t esr, std::uint64_t gva = 0x40412018,
                     std::uint64_t gpa = 0x48048abc) {
  RawExit exit;
  exit.flags = flags;
  exit.esr = esr;
  exit.gva = gva;
  exit.gpa = gpa;
  return ClassifyExit(exit);
}

TEST(ClassifyExit, LocatesADataAbortInItsFourKibGranule) {
  const PoisonEvent event = Classify(kGpaValid, kDataAbort | 0x10);
  EXPECT_EQ(event.location, Location::kLocated);
  EXPECT_EQ(event.range, ByteRange::Granule(GuestPhysAddr{0x48048000}));
  EXPECT_EQ(event.gva, GuestVirtAddr{0x40412018});
  EXPECT_EQ(event.access, Access::kData);
  EXPECT_EQ(event.severity, Severity::kRecoverable);
  EXPECT_EQ(event.evidence, protocol::Evidence::kConsumed);
  EXPECT_EQ(event.source, Source::kExit);
}

TEST(ClassifyExit, KnowsEveryAbortClass) {
  for (const std::uint64_t ec : {0x24U, 0x25U})
    EXPECT_EQ(Classify(kGpaValid, ec << 26 | 0x10).access, Access::kData);
  for (const std::uint64_t ec : {0x20U, 0x21U})
    EXPECT_EQ(Classify(kGpaValid, ec << 26 | 0x10).access, Access::kInstruction);
  for (std::uint64_t ec = 0; ec < 64; ++ec) {
    if (ec == 0x20 || ec == 0x21 || ec == 0x24 || ec == 0x25) continue;
    const PoisonEvent event = Classify(kGpaValid, ec << 26 | 0x10);
    EXPECT_EQ(event.access, Access::kUnknown) << ec;
    EXPECT_EQ(event.location, Location::kUnlocated) << ec;
    EXPECT_EQ(event.severity, Severity::kUnknown) << ec;
  }
}

TEST(ClassifyExit, ClassifiesEveryFaultStatusCode) {
  for (std::uint64_t fsc = 0; fsc < 64; ++fsc) {
    const bool plain = fsc == 0x10 || fsc == 0x18;
    const bool walk = (fsc >= 0x13 && fsc <= 0x17) || (fsc >= 0x1b && fsc <= 0x1f);
    const PoisonEvent event = Classify(kGpaValid, kInstructionAbort | fsc);
    EXPECT_EQ(event.access, plain  ? Access::kInstruction
                            : walk ? Access::kTableWalk
                                   : Access::kUnknown)
        << fsc;
    EXPECT_EQ(event.location, plain  ? Location::kLocated
                              : walk ? Location::kGvaOnly
                                     : Location::kUnlocated)
        << fsc;
  }
}

// Both lines were seen in real runs (a lab, a tester's server).
TEST(ClassifyExit, ATableWalkAbortHasAGvaAlone) {
  const PoisonEvent event = Classify(0, 0x92000017, 0x40412018, 0);
  EXPECT_EQ(event.location, Location::kGvaOnly);
  EXPECT_EQ(event.gva, GuestVirtAddr{0x40412018});
  EXPECT_FALSE(event.range);
  EXPECT_EQ(event.access, Access::kTableWalk);
}

TEST(ClassifyExit, AnInvalidFaultAddressLeavesNothingToLocate) {
  const PoisonEvent event = Classify(0, 0x92000610, 0, 0);
  EXPECT_EQ(event.location, Location::kUnlocated);
  EXPECT_FALSE(event.gva);
  EXPECT_EQ(event.access, Access::kData);
}

TEST(ClassifyExit, DistrustsAGpaThatKvmCouldNotHaveDerived) {
  EXPECT_EQ(Classify(kGpaValid, kDataAbort | kFnv | 0x10).location, Location::kUnlocated);
  EXPECT_EQ(Classify(kGpaValid, kDataAbort | 0x17).location, Location::kGvaOnly);
  EXPECT_EQ(Classify(0, kDataAbort | 0x10).location, Location::kGvaOnly);
  EXPECT_EQ(Classify(~kGpaValid, kDataAbort | 0x10).location, Location::kGvaOnly);
}

PoisonEvent ClassifyWalked(std::uint64_t flags, std::uint64_t esr, std::uint64_t gpa = 0x48048000) {
  RawExit exit;
  exit.flags = flags;
  exit.esr = esr;
  exit.gva = 0x40412018;
  exit.gpa = gpa;
  exit.walked = true;
  return ClassifyExit(exit);
}

TEST(ClassifyExit, OnlySuspectsATableThatWasFoundByWalking) {
  for (const std::uint64_t status : {0x13U, 0x14U, 0x17U, 0x1bU, 0x1fU}) {
    const PoisonEvent event = ClassifyWalked(0, kDataAbort | status);
    EXPECT_EQ(event.location, Location::kSuspected) << status;
    EXPECT_EQ(event.suspect, ByteRange::Granule(GuestPhysAddr{0x48048000})) << status;
    EXPECT_FALSE(event.range) << status;
    EXPECT_EQ(event.located_by(), LocatedBy::kWalk) << status;
    EXPECT_EQ(event.gva, GuestVirtAddr{0x40412018}) << status;
    EXPECT_EQ(event.raw_gpa, 0u) << "KVM said none";
  }
}

TEST(ClassifyExit, DistrustsAWalkThatMakesNoSense) {
  EXPECT_EQ(ClassifyWalked(0, kDataAbort | 0x10).location, Location::kGvaOnly) << "no walk failed";
  EXPECT_EQ(ClassifyWalked(kGpaValid, kDataAbort | 0x10).location, Location::kGvaOnly);
  EXPECT_EQ(ClassifyWalked(kGpaValid, kDataAbort | 0x17).location, Location::kGvaOnly);
  EXPECT_EQ(ClassifyWalked(0, kDataAbort | kFnv | 0x17).location, Location::kUnlocated);
  EXPECT_EQ(ClassifyWalked(0, kDataAbort | 0x17, ~std::uint64_t{0}).location, Location::kGvaOnly);
  EXPECT_FALSE(ClassifyWalked(0, kDataAbort | 0x10).suspect);
}

TEST(ClassifyExit, SaysWhoNamedThePlace) {
  EXPECT_EQ(Classify(kGpaValid, kDataAbort | 0x10).located_by(), LocatedBy::kGpa);
  EXPECT_EQ(Classify(0, kDataAbort | 0x17).located_by(), LocatedBy::kNone);
  EXPECT_EQ(Classify(0, kDataAbort | kFnv | 0x10).located_by(), LocatedBy::kNone);
}

TEST(ClassifyExit, KeepsAnAddressOutOfRangeRaw) {
  const std::uint64_t beyond = std::uint64_t{1} << protocol::kMaxGuestPhysBits;
  const PoisonEvent event = Classify(kGpaValid, kDataAbort | 0x10, 0x1000, beyond);
  EXPECT_EQ(event.location, Location::kGvaOnly);
  EXPECT_FALSE(event.range);
  EXPECT_EQ(event.raw_gpa, beyond);
  EXPECT_EQ(Classify(kGpaValid, kDataAbort | 0x10, 0, beyond - 1).location, Location::kLocated);
  EXPECT_EQ(
      Classify(~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}).location,
      Location::kUnlocated);
}

TEST(ClassifyExit, ReadsSeverityWhereItIsDefined) {
  const auto severity = [](std::uint64_t set, std::uint64_t fsc) {
    return Classify(kGpaValid, kDataAbort | set << 11 | fsc).severity;
  };
  EXPECT_EQ(severity(0, 0x10), Severity::kRecoverable);
  EXPECT_EQ(severity(1, 0x10), Severity::kUnknown);
  EXPECT_EQ(severity(2, 0x10), Severity::kUncontainable);
  EXPECT_EQ(severity(3, 0x10), Severity::kRestartable);
  for (const std::uint64_t fsc : {0x14U, 0x18U, 0x1fU})
    EXPECT_EQ(severity(2, fsc), Severity::kUnknown) << fsc;
}

TEST(ClassifyExit, KeepsWhatTheVmmSaid) {
  RawExit exit;
  exit.flags = 0xf0;
  exit.esr = 0xdead;
  exit.gva = 1;
  exit.gpa = 2;
  exit.hva = HostVirtAddr{0x7f0000001000};
  exit.vcpu = 3;
  exit.count = 0;
  exit.when = MonoTime(std::chrono::seconds(5));
  exit.wall = WallTime(std::chrono::seconds(6));
  const PoisonEvent event = ClassifyExit(exit);
  EXPECT_EQ(event.flags, 0xf0u);
  EXPECT_EQ(event.esr, 0xdeadu);
  EXPECT_EQ(event.raw_gva, 1u);
  EXPECT_EQ(event.raw_gpa, 2u);
  EXPECT_EQ(event.hva, exit.hva);
  EXPECT_EQ(event.vcpu, 3u);
  EXPECT_EQ(event.when, exit.when);
  EXPECT_EQ(event.wall, exit.wall);
  EXPECT_EQ(event.count, 1u) << "an event stands for one exit at least";
}

TEST(ClassifyReport, WidensToWholeGranules) {
  const auto range = ByteRange::Make(GuestPhysAddr{0x1fff}, 2).value();
  const PoisonEvent event = ClassifyReport(range, protocol::Evidence::kPredicted, {}, {});
  EXPECT_EQ(event.range->start(), GuestPhysAddr{0x1000});
  EXPECT_EQ(event.range->length(), 0x2000u);
  EXPECT_EQ(event.location, Location::kLocated);
  EXPECT_EQ(event.source, Source::kReport);
  EXPECT_EQ(event.evidence, protocol::Evidence::kPredicted);
}

}  // namespace
}  // namespace seaward
