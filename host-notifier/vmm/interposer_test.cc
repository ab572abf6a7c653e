#include "host-notifier/vmm/interposer.h"

#include <gtest/gtest.h>

#include "host-notifier/vmm/preload_environment.h"
#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {
namespace {

TEST_F(InterposedVmm, NeverSeesAnExitThatWasAnswered) {
  StartVm();
  kvm_.steps_ = {SeaAt(kGuestRam + 0x8048000), RunStep{}};
  errno = 77;
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(errno, 77);
  EXPECT_EQ(kvm_.pages_[11].exit_reason, std::uint32_t{KVM_EXIT_MMIO});
  EXPECT_EQ(kvm_.runs_, 2);
  EXPECT_EQ(kvm_.injected_, std::vector<int>{11});
  ASSERT_EQ(sink().exits.size(), 1u);
  const auto& [vcpu, exit] = sink().exits[0];
  EXPECT_EQ(vcpu, 0u);
  EXPECT_EQ(exit.flags, kSeaFlagGpaValid);
  EXPECT_EQ(exit.esr, 0x92000010u);
  EXPECT_EQ(exit.gva.value, 0xffff0000deadb000u);
  EXPECT_EQ(exit.gpa.value, kGuestRam + 0x8048000);
  EXPECT_EQ(exit.hva.value, kHostRam + 0x8048000);
  EXPECT_EQ(exit.injection, Injection::kKvm);
  EXPECT_EQ(exit.when, kvm_.Now());
}

TEST_F(InterposedVmm, IsInterruptedAtOnceWhenItWantsItsThreadBack) {
  StartVm();
  kvm_.steps_ = {SeaAt(kGuestRam), RunStep{.result = -1, .error = EINTR}};
  EXPECT_EQ(Run(11), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(kvm_.injected_.size(), 1u);
}

TEST_F(InterposedVmm, GetsResultsAndErrnoOfItsOwnCallsUnchanged) {
  StartVm();
  kvm_.other_result_ = -1;
  kvm_.other_error_ = ENOTTY;
  EXPECT_EQ(interposer_->Ioctl(10, KVM_CHECK_EXTENSION, nullptr), -1);
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(kvm_.others_.back().second, std::uint32_t{KVM_CHECK_EXTENSION});
}

TEST_F(InterposedVmm, ProbesWithScratchVmsThatNobodyHearsOf) {
  Load();
  CreateVm(10);
  CreateVcpu(10, 0, 11);
  EXPECT_EQ(kvm_.enabled_, std::vector<int>{10});
  EXPECT_EQ(sink().opened, 0);
  EXPECT_TRUE(kvm_.mapped_.empty());  // or the closed scratch VM could not die
}

TEST_F(InterposedVmm, ReusesDescriptorsOfClosedVms) {
  StartVm();
  Run(11);
  EXPECT_EQ(kvm_.mapped_, std::set<int>{11});
  // All closed behind the interposer's back; KVM hands the same numbers out, in another order.
  CreateVm(11);
  CreateVcpu(11, 5, 10);
  GiveMemory(11);
  kvm_.steps_ = {SeaAt(kGuestRam)};
  EXPECT_EQ(Run(10), 0);
  ASSERT_EQ(sink().exits.size(), 1u);
  EXPECT_EQ(sink().exits[0].first, 5u);
  EXPECT_EQ(sink().opened, 2);
  // The number of the old vCPU comes back for a new one: its page is given up.
  CreateVcpu(11, 6, 11);
  EXPECT_EQ(kvm_.mapped_, std::set<int>{10});
  EXPECT_EQ(sink().closed, 1);
}

TEST_F(InterposedVmm, IsOnlyObservedWhenItEnablesTheCapabilityItself) {
  StartVm();
  EXPECT_EQ(EnableSeaItself(10), 0);
  kvm_.steps_ = {SeaAt(kGuestRam)};
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(kvm_.pages_[11].exit_reason, kvm::kExitArmSea);
  EXPECT_TRUE(kvm_.injected_.empty());
  EXPECT_EQ(kvm_.runs_, 1);
  ASSERT_EQ(sink().exits.size(), 1u);
  EXPECT_EQ(sink().exits[0].second.injection, Injection::kVmm);
}

TEST_F(InterposedVmm, RunsUntouchedWithoutTheCapability) {
  kvm_.has_capability_ = false;
  errno = 0;
  StartVm();
  EXPECT_EQ(errno, 0);
  kvm_.steps_ = {SeaAt(kGuestRam)};
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(kvm_.pages_[11].exit_reason, kvm::kExitArmSea);
  EXPECT_EQ(sink().opened, 0);
  EXPECT_TRUE(kvm_.mapped_.empty());
  EXPECT_EQ(kvm_.lines_.size(), 1u);
}

TEST_F(InterposedVmm, IsLeftAloneInModeNone) {
  StartVm(InjectMode::kNone);
  EXPECT_TRUE(kvm_.enabled_.empty());
  EXPECT_EQ(sink().opened, 0);
  EnableSeaItself(10);
  kvm_.steps_ = {SeaAt(kGuestRam)};
  Run(11);
  EXPECT_EQ(sink().exits.size(), 1u);
  EXPECT_TRUE(kvm_.injected_.empty());
}

TEST_F(InterposedVmm, RunsVcpusThatCameByDup) {
  StartVm();
  kvm_.identities_[20] = {.kind = FdIdentity::Kind::kVcpu, .vcpu = 3};
  kvm_.steps_ = {SeaAt(kGuestRam), RunStep{}, SeaAt(kGuestRam), RunStep{}};
  Run(20);
  Run(20);
  ASSERT_EQ(sink().exits.size(), 2u);
  EXPECT_EQ(sink().exits[0].first, 3u);
  EXPECT_EQ(kvm_.identified_, 1);  // looked up once
}

TEST_F(InterposedVmm, KeepsRunningDescriptorsThatAreNoVcpus) {
  StartVm();
  kvm_.steps_ = {RunStep{.result = -1, .error = EBADF}, RunStep{.result = -1, .error = EBADF}};
  EXPECT_EQ(Run(30), -1);
  EXPECT_EQ(Run(-1), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_F(InterposedVmm, CountsAnInjectionThatKvmRefuses) {
  StartVm();
  kvm_.inject_error_ = EPERM;
  kvm_.steps_ = {SeaAt(kGuestRam), RunStep{}};
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(sink().failed_injections, 1);
}

TEST_F(InterposedVmm, SlowsDownAVcpuThatFaultsForEver) {
  StartVm();
  constexpr int kFaults = 1000;
  for (int i = 0; i < kFaults; ++i) kvm_.steps_.push_back(SeaAt(kGuestRam));
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(kvm_.injected_.size(), std::size_t{kFaults});  // still answered, each time
  EXPECT_EQ(sink().rests, kFaults - static_cast<int>(LoopGuard::kFreeRepeats));
  EXPECT_EQ(kvm_.rests_.back(), LoopGuard::kLongestPause);
  EXPECT_LT(kvm_.lines_.size(), 30u);
}

TEST_F(InterposedVmm, KnowsNoHostAddressOfWhatIsNoMemory) {
  StartVm();
  RunStep unlocated = SeaAt(0, 0x92000610);
  unlocated.sea.flags = 0;
  kvm_.steps_ = {SeaAt(0x1000), unlocated};
  Run(11);
  ASSERT_EQ(sink().exits.size(), 2u);
  EXPECT_EQ(sink().exits[0].second.hva.value, 0u);
  EXPECT_EQ(sink().exits[1].second.hva.value, 0u);
  EXPECT_EQ(sink().exits[1].second.injection, Injection::kKvmInexact);
}

TEST_F(InterposedVmm, FollowsMemoryThatMoves) {
  StartVm();
  GiveMemory(10, 0);
  kvm_.steps_ = {SeaAt(kGuestRam)};
  Run(11);
  EXPECT_EQ(sink().exits.at(0).second.hva.value, 0u);
}

TEST_F(InterposedVmm, RunsOnWhenNoRingCanBeMade) {
  sinks_.fails_ = true;
  StartVm();
  GiveMemory(10);
  kvm_.steps_ = {SeaAt(kGuestRam), RunStep{}};
  EXPECT_EQ(Run(11), 0);
  EXPECT_EQ(kvm_.injected_.size(), 1u);  // the guest is told all the same
  EXPECT_EQ(sink().opened, 1);           // and nobody tries again at each call
}

TEST(PreloadEnvironment, SaysWhatItDidNotUnderstand) {
  const auto read = [](std::map<std::string, std::string> values) {
    return ReadPreloadEnvironment([values](const char* name) -> const char* {
      const auto found = values.find(name);
      return found == values.end() ? nullptr : found->second.c_str();
    });
  };
  const auto defaults = read({});
  EXPECT_EQ(defaults.attach_socket, "/run/seaward/attach.sock");
  EXPECT_EQ(defaults.inject, InjectMode::kAuto);
  EXPECT_TRUE(defaults.Says(LogLevel::kInfo));
  EXPECT_FALSE(defaults.Says(LogLevel::kDebug));
  const auto set = read(
      {{"SEAWARD_ATTACH_SOCKET", "/tmp/a"}, {"SEAWARD_INJECT", "none"}, {"SEAWARD_LOG", "off"}});
  EXPECT_EQ(set.attach_socket, "/tmp/a");
  EXPECT_EQ(set.inject, InjectMode::kNone);
  EXPECT_FALSE(set.Says(LogLevel::kError));
  EXPECT_TRUE(set.complaints.empty());
  EXPECT_EQ(read({{"SEAWARD_INJECT", "kvm"}}).inject, InjectMode::kKvm);
  EXPECT_EQ(read({{"SEAWARD_INJECT", "exact"}}).inject, InjectMode::kExact);
  EXPECT_EQ(read({{"SEAWARD_INJECT", "native"}}).inject, InjectMode::kNative);
  EXPECT_EQ(defaults.native_wait, std::chrono::milliseconds(500));
  EXPECT_EQ(read({{"SEAWARD_NATIVE_WAIT_MS", "70"}}).native_wait, std::chrono::milliseconds(70));
  for (const char* value : {"0", "10001", "", "5s", "-1"}) {
    const auto odd = read({{"SEAWARD_NATIVE_WAIT_MS", value}});
    EXPECT_EQ(odd.native_wait, std::chrono::milliseconds(500)) << value;
    EXPECT_EQ(odd.complaints.size(), 1u) << value;
  }
  EXPECT_EQ(defaults.hold, std::chrono::microseconds(0));
  EXPECT_EQ(read({{"SEAWARD_HOLD_US", "2000"}}).hold, std::chrono::microseconds(2000));
  EXPECT_TRUE(read({{"SEAWARD_HOLD_US", "0"}}).complaints.empty());
  for (const char* value : {"1000001", "", "2ms", "-1", "99999999999999999999"}) {
    const auto odd = read({{"SEAWARD_HOLD_US", value}});
    EXPECT_EQ(odd.hold, std::chrono::microseconds(0)) << value;
    EXPECT_EQ(odd.complaints.size(), 1u) << value;
  }
  const auto wrong = read({{"SEAWARD_INJECT", "yes"}, {"SEAWARD_LOG", "loud"}});
  EXPECT_EQ(wrong.complaints.size(), 2u);
  EXPECT_EQ(wrong.inject, InjectMode::kAuto);
}

TEST(FdIdentity, ReadsTheKernelsNames) {
  EXPECT_EQ(IdentifyByName("anon_inode:kvm-vm").kind, FdIdentity::Kind::kVm);
  EXPECT_EQ(IdentifyByName("anon_inode:kvm-vcpu:17").vcpu, 17u);
  EXPECT_EQ(IdentifyByName("anon_inode:kvm-vcpu:17").kind, FdIdentity::Kind::kVcpu);
  for (const char* other : {"anon_inode:kvm-vcpu:", "anon_inode:kvm-vcpu:1x", "/dev/kvm", ""})
    EXPECT_EQ(IdentifyByName(other).kind, FdIdentity::Kind::kOther) << other;
}

}  // namespace
}  // namespace seaward::vmm
