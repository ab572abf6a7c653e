// Injection `exact` through the whole interposer, over a KVM that has registers.
#include "host-notifier/vmm/exact_injection.h"

#include <gtest/gtest.h>

#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {
namespace {

constexpr std::uint64_t kVectors = 0xffff800010010800;
constexpr std::uint64_t kPc = 0xaaaad0001000;
constexpr std::uint64_t kWrite = 0x92000050;
constexpr std::uint64_t kGva = 0xffff0000deadb000;  // of SeaAt

class ExactMode : public InterposedVmm {
 protected:
  void StartGuest(InjectMode mode = InjectMode::kExact) {
    kvm_.registers_ = {
        {RegisterId::kPc, kPc},           {RegisterId::kPstate, 0x60000000},  // EL0, Z and C
        {RegisterId::kElrEl1, 1},         {RegisterId::kSpsrEl1, 2},
        {RegisterId::kEsrEl1, 3},         {RegisterId::kFarEl1, 4},
        {RegisterId::kVbarEl1, kVectors}, {RegisterId::kSctlrEl1, 1 << 23},
        {RegisterId::kIdAa64Pfr1El1, 0}};
    StartVm(mode);
  }
  void Consumes(std::uint64_t esr) {
    kvm_.steps_ = {SeaAt(kGuestRam, esr), RunStep{}};
    EXPECT_EQ(Run(11), 0);
  }
  std::uint64_t Register(RegisterId id) { return kvm_.registers_.at(id); }
  // The guest was told by KVM's own means, and its registers are as they were.
  void ExpectToldByKvm() {
    EXPECT_EQ(kvm_.injected_, std::vector<int>{11});
    EXPECT_EQ(Register(RegisterId::kPc), kPc);
    EXPECT_EQ(Register(RegisterId::kPstate), 0x60000000u);
  }
};

TEST_F(ExactMode, ShowsTheGuestTheAbortThatTheHardwareTook) {
  StartGuest();
  errno = 77;
  Consumes(kWrite);
  EXPECT_EQ(errno, 77);
  EXPECT_TRUE(kvm_.injected_.empty());
  EXPECT_EQ(Register(RegisterId::kEsrEl1), kWrite);
  EXPECT_EQ(Register(RegisterId::kFarEl1), kGva);
  EXPECT_EQ(Register(RegisterId::kElrEl1), kPc);
  EXPECT_EQ(Register(RegisterId::kSpsrEl1), 0x60000000u);
  EXPECT_EQ(Register(RegisterId::kPc), kVectors + 0x400);
  EXPECT_EQ(Register(RegisterId::kPstate), 0x600003c5u);
  ASSERT_EQ(sink().exits.size(), 1u);
  EXPECT_EQ(sink().exits[0].second.injection, Injection::kExact);
  EXPECT_EQ(sink().failed_injections, 0);
}

TEST_F(ExactMode, LeavesTheFaultAddressAloneWhenThereIsNone) {
  StartGuest();
  Consumes(kWrite | 0x400);
  EXPECT_EQ(Register(RegisterId::kFarEl1), 4u);
  EXPECT_EQ(Register(RegisterId::kEsrEl1), kWrite | 0x400);
}

TEST_F(ExactMode, IsWhatAutoTakesOnlyWhereKvmWouldChangeTheAbort) {
  StartGuest(InjectMode::kAuto);
  Consumes(0x92000010);
  ExpectToldByKvm();
  EXPECT_EQ(kvm_.register_reads_, 0);
  Consumes(kWrite);
  EXPECT_EQ(kvm_.injected_.size(), 1u);
  EXPECT_EQ(Register(RegisterId::kPc), kVectors + 0x400);
}

TEST_F(ExactMode, LeavesA32BitGuestKernelToKvm) {
  StartGuest();
  InitVcpu(11, 1 << kvm::kFeatureEl1Is32Bit);
  Consumes(kWrite);
  ExpectToldByKvm();
  EXPECT_EQ(sink().exits.at(0).second.injection, Injection::kKvmInexact);
}

TEST_F(ExactMode, LeavesAGuestWithAnEl2ToKvm) {
  StartGuest();
  InitVcpu(11, 1 << kvm::kFeatureHasEl2);
  Consumes(kWrite);
  ExpectToldByKvm();
}

TEST_F(ExactMode, FindsOutAboutAVcpuWhoseInitialisationItDidNotSee) {
  StartGuest();
  kvm_.identities_[20] = {.kind = FdIdentity::Kind::kVcpu, .vcpu = 3};
  const auto consumes = [&] {
    kvm_.steps_ = {SeaAt(kGuestRam, kWrite), RunStep{}};
    Run(20);
    return sink().exits.back().second.injection;
  };
  kvm_.registers_[RegisterId::kHcrEl2] = 0;
  EXPECT_EQ(consumes(), Injection::kKvmInexact) << "it has an EL2";
  kvm_.registers_.erase(RegisterId::kHcrEl2);
  kvm_.registers_[RegisterId::kPstate] = 0x10;
  EXPECT_EQ(consumes(), Injection::kKvmInexact) << "User mode under an unknown EL1";
  kvm_.registers_[RegisterId::kPstate] = 0;
  EXPECT_EQ(consumes(), Injection::kExact);
}

TEST_F(ExactMode, FallsBackWhenARegisterCannotBeRead) {
  for (const RegisterId id : {RegisterId::kPc, RegisterId::kPstate, RegisterId::kVbarEl1,
                              RegisterId::kSctlrEl1, RegisterId::kIdAa64Pfr1El1}) {
    StartGuest();
    kvm_.registers_.erase(id);
    kvm_.injected_.clear();
    Consumes(kWrite);
    EXPECT_EQ(kvm_.injected_.size(), 1u);
    EXPECT_EQ(sink().exits.back().second.injection, Injection::kKvmInexact);
  }
}

TEST_F(ExactMode, FallsBackWhenARegisterCannotBeWritten) {
  int failures = 0;
  for (const RegisterId id : {RegisterId::kEsrEl1, RegisterId::kFarEl1, RegisterId::kElrEl1,
                              RegisterId::kSpsrEl1, RegisterId::kPc, RegisterId::kPstate}) {
    StartGuest();
    kvm_.injected_.clear();
    kvm_.unwritable_ = {id};
    Consumes(kWrite);
    ExpectToldByKvm();
    EXPECT_EQ(sink().failed_injections, ++failures) << "the record promised an exact one";
  }
}

TEST_F(ExactMode, SlowsDownAGuestWhoseVectorsAreBadAtOnce) {
  StartGuest();
  constexpr std::uint64_t fetch = 0x82000010;
  kvm_.registers_[RegisterId::kPstate] = 0x3c5;
  kvm_.registers_[RegisterId::kPc] = kVectors + 0x200;
  constexpr int kFaults = 20;
  for (int i = 0; i < kFaults; ++i) kvm_.steps_.push_back(SeaAt(kGuestRam, fetch));
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(sink().rests, kFaults);
  EXPECT_EQ(kvm_.rests_.front(), LoopGuard::kFirstPause);
  EXPECT_EQ(kvm_.rests_.back(), LoopGuard::kLongestPause);
}

}  // namespace
}  // namespace seaward::vmm
