// A hold through the whole interposer: published, waited for, and then the guest is told.
#include <gtest/gtest.h>

#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {
namespace {

using std::chrono::microseconds;

constexpr int kFirst = 11;
constexpr int kSecond = 12;

class HoldMode : public InterposedVmm {
 protected:
  HoldMode() {
    hold_ = microseconds(2000);
    sink().offers_verdicts = true;
    kvm_.registers_[RegisterId::kPstate] = 0;
    sink().hold = [this](microseconds patience, const volatile std::uint8_t* immediate_exit) {
      EXPECT_EQ(sink().exits.size(), published_ + 1) << "the agent is on its way";
      EXPECT_TRUE(sink().exits.back().second.held);
      EXPECT_TRUE(kvm_.injected_.empty()) << "and the guest knows nothing";
      patience_ = patience;
      immediate_exit_ = immediate_exit;
      return end_;
    };
  }
  void StartVmOfTwo(InjectMode mode = InjectMode::kAuto) {
    StartVm(mode);
    CreateVcpu(10, 1, kSecond);
    InitVcpu(kSecond);
    Run(kSecond);
  }
  void Consumes(const RunStep& step = SeaAt(kGuestRam)) {
    kvm_.injected_.clear();
    published_ = sink().exits.size();
    kvm_.steps_ = {step, RunStep{}};
    errno = 77;
    EXPECT_EQ(Run(kFirst), 0);
    EXPECT_EQ(errno, 77);
    EXPECT_EQ(sink().exits.size(), published_ + 1);
    EXPECT_EQ(kvm_.injected_, std::vector<int>{kFirst}) << "told in any case";
  }
  void ExpectNotHeld(const char* why) {
    const int holds = sink().holds;
    Consumes();
    EXPECT_EQ(sink().holds, holds) << why;
    EXPECT_FALSE(sink().exits.back().second.held) << why;
  }
  bool Said(const std::string& text) { return kvm_.lines_.back().find(text) != std::string::npos; }

  HoldEnd end_ = HoldEnd::kVerdict;
  std::size_t published_ = 0;
  microseconds patience_{0};
  const volatile std::uint8_t* immediate_exit_ = nullptr;
};

TEST_F(HoldMode, TellsTheGuestAfterTheHoldHoweverItEnds) {
  for (const InjectMode mode : {InjectMode::kAuto, InjectMode::kNative, InjectMode::kKvm}) {
    StartVmOfTwo(mode);
    for (const auto& [end, text] :
         {std::pair{HoldEnd::kVerdict, "hold=verdict"}, std::pair{HoldEnd::kNone, "hold=none"},
          std::pair{HoldEnd::kTimedOut, "hold=timed_out"},
          std::pair{HoldEnd::kInterrupted, "hold=interrupted"}}) {
      end_ = end;
      const int holds = sink().holds;
      Consumes();
      EXPECT_EQ(sink().holds, holds + 1);
      EXPECT_EQ(patience_, microseconds(2000));
      EXPECT_EQ(immediate_exit_, &kvm_.pages_[kFirst].immediate_exit);
      EXPECT_TRUE(Said(text)) << kvm_.lines_.back();
    }
  }
}

TEST_F(HoldMode, IsOffUnlessItIsSet) {
  hold_ = microseconds(0);
  StartVmOfTwo();
  ExpectNotHeld("off");
  EXPECT_EQ(kvm_.register_reads_, 0) << "and costs nothing";
  EXPECT_TRUE(Said("hold=no")) << kvm_.lines_.back();
}

TEST_F(HoldMode, IsNotAskedOfANotifierThatDoesNotOfferIt) {
  sink().offers_verdicts = false;
  StartVmOfTwo();
  ExpectNotHeld("no notifier, or an older one");
}

TEST_F(HoldMode, LeavesAGuestOfOneVcpuAlone) {
  StartVm();
  ExpectNotHeld("nobody could run the agent");
  CreateVcpu(10, 1, kSecond);
  InitVcpu(kSecond);
  ExpectNotHeld("the second has not run");
  Run(kSecond);
  Consumes();
  EXPECT_EQ(sink().holds, 1);
  InitVcpu(kSecond);
  ExpectNotHeld("it was reset and has not run since");
}

TEST_F(HoldMode, LeavesTheGuestsKernelAlone) {
  StartVmOfTwo();
  for (const std::uint64_t pstate : {0x5u, 0x4u, 0x13u, 0x600003c5u}) {
    kvm_.registers_[RegisterId::kPstate] = pstate;
    ExpectNotHeld("not a process");
  }
  kvm_.registers_.erase(RegisterId::kPstate);
  ExpectNotHeld("nobody knows");
  kvm_.registers_[RegisterId::kPstate] = 0x10;
  Consumes();
  EXPECT_EQ(sink().holds, 1) << "a process of 32 bits";
}

TEST_F(HoldMode, IsForPagesThatCanBeNamed) {
  StartVmOfTwo();
  RunStep unlocated = SeaAt(0, 0x92000010);
  unlocated.sea.flags = 0;
  Consumes(unlocated);
  EXPECT_EQ(sink().holds, 0);
}

TEST_F(HoldMode, IsNotForAVmmThatHandlesTheExitItself) {
  StartVmOfTwo();
  EnableSeaItself(10);
  kvm_.steps_ = {SeaAt(kGuestRam)};
  EXPECT_EQ(Run(kFirst), 0);
  EXPECT_EQ(sink().holds, 0);
  EXPECT_FALSE(sink().exits.back().second.held);
}

TEST_F(HoldMode, ComesNotOnTopOfAHeldNativeExit) {
  sink().offers_host_pages = true;
  sink().host_page = [] { return HostPage::kKept; };
  StartVmOfTwo();
  ExpectNotHeld("it has been held already");
  EXPECT_EQ(sink().native_fallbacks, 1);
}

}  // namespace
}  // namespace seaward::vmm
