// How the guest is told of an exit: SEAWARD_INJECT kvm, exact, native (docs/CONTRACT.md). Each mode
// on a guest of its own, side by side in one run, with the exposure that it leaves. Rows in
// build/lab/exits.json.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/lab/story/exit_watch.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

class Injection : public LabFixture {};

TEST_F(Injection, KvmInjectsADataAbort) {
  NestedGuest* guest = StartGuest({.name = "kvm", .inject = "kvm"});
  ASSERT_NE(guest, nullptr);
  const ExitRow row = Consume(*guest, "mode_kvm", {});
  EXPECT_EQ(row.injection, "kvm");
  EXPECT_EQ(row.verdict, "retired");
  EXPECT_EQ(row.guest_far, row.gva);
}

// What KVM's own injection would lose reaches the guest.
TEST_F(Injection, ExactTellsTheGuestWhatTheHardwareWouldHave) {
  NestedGuest* guest = StartGuest({.name = "exact", .inject = "exact"});
  ASSERT_NE(guest, nullptr);
  ExitRow row = Consume(*guest, "mode_exact_read", {});
  EXPECT_EQ(row.injection, "exact");
  EXPECT_EQ(row.guest_esr, row.esr);
  EXPECT_EQ(row.guest_far, row.gva);
  EXPECT_EQ(row.verdict, "retired");
  row = Consume(*guest, "mode_exact_write", {.access = "write"});
  EXPECT_EQ(row.guest_esr, row.esr) << "the direction of the access";
  row = Consume(*guest, "mode_exact_fetch", {.access = "execute"});
  EXPECT_EQ(row.guest_esr, row.esr) << "an instruction abort";
  row = Consume(*guest, "mode_exact_fnv", {.poison = {.without_address = true}});
  EXPECT_EQ(row.guest_esr, row.esr) << "FnV";
}

// Nothing is injected: the host retires its page while the vCPU is held, and QEMU's own GHES tells
// the guest's kernel, which retires the page at the moment of consumption, without any agent.
TEST_F(Injection, NativeLetsTheGuestsOwnKernelRetireThePage) {
  NestedGuest* guest = StartGuest({.name = "native", .guarded = false, .board = Board::kAcpiGhes});
  ASSERT_NE(guest, nullptr);
  const std::size_t console = lab_->ConsoleSize();
  const ExitRow row = Consume(*guest, "mode_native", {.has_agent = false});
  EXPECT_EQ(row.injection, "native") << "which auto picks where it works";
  EXPECT_EQ(row.host_retired, "yes");
  EXPECT_EQ(row.exits_observed, 1u) << "the guest entered again without another abort";
  const auto retired = WaitRetired(*lab_, *guest, victim_.page);
  EXPECT_TRUE(retired) << retired.error().Text();
  // A serial line is slower than the page.
  for (const char* words : {"Hardware error from APEI", "Memory failure"})
    EXPECT_TRUE(testing::WaitUntil(
        [&] { return lab_->ConsoleText(console).find(words) != std::string::npos; }, kSettles))
        << words;
}

// With an agent in the guest both are on their way to the page, and either may be first; until then
// the process that owns it lives, so that nobody else can be given the page.
TEST_F(Injection, NativeAndTheAgentLeaveNoGap) {
  NestedGuest* injected =
      StartGuest({.name = "injected", .board = Board::kAcpiGhes, .inject = "kvm"});
  ASSERT_NE(injected, nullptr);
  const ExitRow by_agent = Consume(*injected, "ghes_kvm", {});
  EXPECT_EQ(by_agent.injection, "kvm");
  EXPECT_EQ(by_agent.host_retired, "yes");
  NestedGuest* held = StartGuest({.name = "held", .board = Board::kAcpiGhes});
  ASSERT_NE(held, nullptr);
  const ExitRow row = Consume(*held, "mode_native_with_agent", {});
  EXPECT_EQ(row.injection, "native");
  EXPECT_EQ(row.exits_observed, 1u);
  ASSERT_TRUE(by_agent.exposure_us && row.exposure_us);
  lab_->narrator().Say(
      fmt::format("from the exit to the agent's verdict: {:.0f} us after an injected abort, {:.0f} "
                  "us with the vCPU held",
                  *by_agent.exposure_us, *row.exposure_us));
}

}  // namespace
}  // namespace seaward::lab
