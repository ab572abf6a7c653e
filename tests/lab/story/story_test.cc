#include <gtest/gtest.h>

#include "tests/lab/story/guest_console.h"
#include "tests/lab/story/kernel_trace.h"

namespace seaward::lab {
namespace {

// As trace_pipe of Linux 7.3 writes it.
constexpr std::string_view kTrace =
    "       CPU 0/KVM-233     [001] .....   245.871233: sea: (kvm_handle_guest_sea+0x0/0x1a0) "
    "esr=0x92000010 far=0xffff9464e018 hpfar=0x8000000000480480\n"
    "       CPU 0/KVM-233     [001] .....   245.871300: kvm_userspace_exit: reason "
    "KVM_EXIT_UNKNOWN "
    "(41)\n"
    "CPU:1 [LOST 3 EVENTS]\n"
    "       CPU 0/KVM-233     [001] .....   250.000001: sea: (kvm_handle_guest_sea+0x0/0x1a0) "
    "esr=0x92000017 far=0x40412018 hpfar=0x0\n"
    "       CPU 0/KVM-233     [001] .....   250.1: sea: (kvm_handle_guest_sea+0x0/0x1a0) esr=0x92";

TEST(KernelTrace, CountsAbortsAndTheirPages) {
  const KernelTrace trace = ParseKernelTrace(kTrace);
  ASSERT_EQ(trace.aborts.size(), 2u);
  EXPECT_DOUBLE_EQ(trace.aborts[0].at_s, 245.871233);
  EXPECT_EQ(trace.aborts[0].esr, 0x92000010u);
  EXPECT_EQ(trace.aborts[0].far.value, 0xffff9464e018u);
  EXPECT_EQ(trace.aborts[0].page, GuestPhysAddr{0x48048000});
  EXPECT_FALSE(trace.aborts[1].page);
  EXPECT_EQ(trace.exits_to_userspace, 1u);
  EXPECT_EQ(trace.lost_events, 1u);
}

TEST(GuestConsole, CountsPanicsAndWhereTheyCameFrom) {
  const ConsoleSigns signs = ReadConsole(
      "[    9.1] Internal error: synchronous external abort: 0000000096000010 [#1]  SMP\n"
      "[    9.2] pc : __pi_clear_page+0x18/0x40\n"
      "[    9.3] Kernel panic - not syncing: synchronous external abort: Fatal exception\n");
  EXPECT_EQ(signs.panics, 1u);
  EXPECT_EQ(signs.external_aborts, 1u);
  EXPECT_EQ(signs.in_clear_page, 1u);
  EXPECT_EQ(signs.first_esr, 0x96000010u);
  EXPECT_EQ(ReadConsole("").panics, 0u);
  EXPECT_FALSE(ReadConsole("").first_esr);
}

TEST(GuestConsole, TellsWhyTheFirstProcessWasKilled) {
  const ConsoleSigns signs = ReadConsole(
      "[    9.0] victim[7]: unhandled exception: DABT (lower EL), ESR 0x0000000092000017, level 3 "
      "(translation table walk) in victim\n"
      "[    9.1] Internal error: synchronous external abort: 0000000096000010 [#1]  SMP\n");
  EXPECT_EQ(signs.first_esr, 0x92000017u);
}

}  // namespace
}  // namespace seaward::lab
