// Mode native through the whole interposer: the vCPU is held, the host's page goes, nothing is
// injected.
#include <gtest/gtest.h>

#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {
namespace {

using std::chrono::milliseconds;

class NativeMode : public InterposedVmm {
 protected:
  NativeMode() { sink().offers_host_pages = true; }
  void NotifierAnswers(HostPage answer) {
    sink().host_page = [answer] { return answer; };
  }
  // Time passes and nobody answers.
  void NotifierIsSilent() {
    sink().host_page = [this] {
      kvm_.now_ += milliseconds(10);
      return HostPage::kUnanswered;
    };
  }
  SeaExit Consumes(std::uint64_t gpa, std::uint64_t esr = 0x92000010) {
    kvm_.steps_ = {SeaAt(gpa, esr), RunStep{}};
    EXPECT_EQ(Run(11), 0);
    return sink().exits.back().second;
  }
};

TEST_F(NativeMode, InjectsNothingOnceTheHostPageIsGone) {
  for (const InjectMode mode : {InjectMode::kNative, InjectMode::kAuto}) {
    StartVm(mode);
    NotifierAnswers(HostPage::kRetired);
    errno = 77;
    EXPECT_EQ(Consumes(kGuestRam).injection, Injection::kNative);
    EXPECT_EQ(errno, 77);
    EXPECT_TRUE(kvm_.injected_.empty());
  }
  EXPECT_EQ(sink().exits.size(), 2u) << "each published once";
  EXPECT_EQ(sink().native_fallbacks, 0);
}

TEST_F(NativeMode, TellsTheGuestItselfWhenTheHostKeepsThePage) {
  StartVm();
  NotifierAnswers(HostPage::kKept);
  Consumes(kGuestRam);
  EXPECT_EQ(kvm_.injected_, std::vector<int>{11});
  EXPECT_EQ(sink().exits.size(), 1u) << "published once, as what it was then";
  EXPECT_EQ(sink().native_fallbacks, 1);
}

TEST_F(NativeMode, WaitsNoLongerThanItsBound) {
  StartVm();
  NotifierIsSilent();
  const MonoTime before = kvm_.now_;
  Consumes(kGuestRam);
  EXPECT_EQ(kvm_.now_ - before, kDefaultNativeWait);
  EXPECT_EQ(kvm_.injected_.size(), 1u);
  EXPECT_EQ(sink().native_fallbacks, 1);
}

TEST_F(NativeMode, LeavesAtOnceWhenTheVmmWantsItsThreadBack) {
  StartVm();
  int slices = 0;
  sink().host_page = [&] {
    ++slices;
    kvm_.pages_[11].immediate_exit = 1;  // and a signal, which ended the slice
    return HostPage::kUnanswered;
  };
  kvm_.steps_ = {SeaAt(kGuestRam), RunStep{.result = -1, .error = EINTR}};
  EXPECT_EQ(Run(11), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(slices, 1);
  EXPECT_TRUE(kvm_.injected_.empty()) << "the guest meets the page again";
  kvm_.pages_[11].immediate_exit = 0;
  NotifierAnswers(HostPage::kRetired);
  Consumes(kGuestRam);
  EXPECT_TRUE(kvm_.injected_.empty());
}

TEST_F(NativeMode, DoesNotTrustAPageThatWasSettledAndFaultsAgain) {
  StartVm();
  NotifierAnswers(HostPage::kRetired);
  Consumes(kGuestRam);
  EXPECT_EQ(Consumes(kGuestRam + 0x10).injection, Injection::kKvm);
  EXPECT_EQ(kvm_.injected_.size(), 1u);
  EXPECT_EQ(Consumes(kGuestRam + 0x1000).injection, Injection::kNative) << "another page";
}

TEST_F(NativeMode, IsNotAskedOfANotifierThatDoesNotOfferIt) {
  sink().offers_host_pages = false;
  StartVm(InjectMode::kNative);
  NotifierAnswers(HostPage::kRetired);
  const std::size_t lines = kvm_.lines_.size();
  EXPECT_EQ(Consumes(kGuestRam).injection, Injection::kKvm);
  EXPECT_EQ(Consumes(kGuestRam + 0x1000).injection, Injection::kKvm);
  EXPECT_EQ(kvm_.lines_.size(), lines + 3) << "two exits, and the missing offer once";
  EXPECT_EQ(kvm_.injected_.size(), 2u);
}

TEST_F(NativeMode, IsForContainedErrorsAtAKnownPlaceAlone) {
  StartVm();
  NotifierAnswers(HostPage::kRetired);
  EXPECT_NE(Consumes(kGuestRam, 0x92001010).injection, Injection::kNative) << "SET = 2";
  EXPECT_NE(Consumes(0x1000).injection, Injection::kNative) << "no memory of this VM";
  RunStep unlocated = SeaAt(0, 0x92000610);
  unlocated.sea.flags = 0;
  kvm_.steps_ = {unlocated, RunStep{}};
  Run(11);
  EXPECT_NE(sink().exits.back().second.injection, Injection::kNative);
  EXPECT_EQ(kvm_.injected_.size(), 3u);
}

TEST_F(NativeMode, IsNeverUsedInTheOtherModes) {
  for (const InjectMode mode : {InjectMode::kKvm, InjectMode::kExact}) {
    StartVm(mode);
    NotifierAnswers(HostPage::kRetired);
    EXPECT_NE(Consumes(kGuestRam).injection, Injection::kNative);
  }
}

}  // namespace
}  // namespace seaward::vmm
