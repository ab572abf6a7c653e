// What the guest's kernel does with a bad page besides killing its owner: it copies it, dumps it,
// hands it to the next process, and dies of it. Whatever happens, in the end the page is out of
// use. Rows in build/lab/exits.json.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kQuestion{60};
// A guest whose kernel has just died does not answer; its console tells.
constexpr std::chrono::seconds kUntilSilent{20};

class Aftermath : public LabFixture {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LabFixture::SetUp());
    guest_ = StartGuest({.name = "guarded"});
    ASSERT_NE(guest_, nullptr);
    console_ = lab_->ConsoleSize();
  }
  void Write(const std::string& path, const std::string& text) {
    auto written = guest_->Ask("write", {{"path", path}, {"text", text}}, kQuestion);
    ASSERT_TRUE(written) << path << ": " << written.error().Text();
  }
  // A process whose page is bad, and a watch on what comes of it.
  void BeginVictim() {
    auto watch = ExitWatch::Begin(*lab_, "guarded");
    ASSERT_TRUE(watch) << watch.error().Text();
    watch_ = *watch;
    auto victim = StartVictim(*lab_, *guest_, {});
    ASSERT_TRUE(victim) << victim.error().Text();
    victim_ = *victim;
  }
  void MakeItBad() {
    const auto bad = MakeBad(victim_.page, victim_.backing);
    ASSERT_TRUE(bad) << bad.error().Text();
  }
  ConsoleSigns Signs() const { return lab_->Console(console_); }
  bool HasPanicked() {
    return testing::WaitUntil([&] { return Signs().panics > 0; }, kUntilSilent);
  }
  void KeepAs(const std::string& kind, const std::string& outcome) {
    auto row = watch_->Row(kind);
    ASSERT_TRUE(row) << row.error().Text();
    row->guest_esr = Signs().first_esr;
    row->outcome = outcome;
    Keep(*row);
  }
  // The guest that reboots by itself comes up, its early stage has the page.
  void ExpectNextBootIsSound() {
    ASSERT_TRUE(guest_->WaitUp(kGuestUp));
    const Json early = guest_->status().value("early", Json());
    EXPECT_EQ(early.value("exit", -1), 0) << early.dump(1);
    ExpectOutOfUse();
  }
  void ExpectOutOfUse() {
    const auto retired = WaitRetired(*lab_, *guest_, victim_.page);
    ASSERT_TRUE(retired) << retired.error().Text();
    EXPECT_EQ(ExpectPage(*guest_, "outcome", "retired").at("gpa"),
              FormatAddress(victim_.page.value));
    ExpectAllMemorySound(*guest_, victim_.page);
  }
  void SignalAgent(int number) {
    auto told = guest_->Ask("kill", {{"pid", guest_->status().at("agent_pid")}, {"signal", number}},
                            kQuestion);
    ASSERT_TRUE(told) << told.error().Text();
  }

  NestedGuest* guest_ = nullptr;
  std::optional<ExitWatch> watch_;
  std::size_t console_ = 0;
};

// arm64 has no copy that survives bad memory: the kernel oopses in the process's name.
TEST_F(Aftermath, AWriteOutOfTheBadBufferEndsTheProcessInTheKernel) {
  Write("/proc/sys/kernel/panic_on_oops", "0");
  ASSERT_NO_FATAL_FAILURE(BeginVictim());
  ASSERT_NO_FATAL_FAILURE(MakeItBad());
  const auto felt = TouchUntilDead(*guest_, victim_, "copy");
  ASSERT_TRUE(felt) << felt.error().Text();
  EXPECT_EQ(Signs().external_aborts, 1u) << "an oops";
  EXPECT_EQ(Signs().panics, 0u);
  EXPECT_TRUE(watch_->WaitVerdict(victim_.page));
  KeepAs("kernel_copy", fmt::format("oops_signal_{}", felt->signal));
  ExpectOutOfUse();
}

TEST_F(Aftermath, AKernelThatPanicsOfItMeetsThePageInNoLaterBoot) {
  ASSERT_NO_FATAL_FAILURE(BeginVictim());
  ASSERT_NO_FATAL_FAILURE(MakeItBad());
  const auto felt = TouchUntilDead(*guest_, victim_, "copy", kUntilSilent);
  EXPECT_FALSE(felt) << "the kernel lives";
  ASSERT_TRUE(HasPanicked());
  KeepAs("kernel_panic", "panic");
  ExpectNextBootIsSound();
}

// With a pipe as core_pattern the kernel reads the dead process's memory; the agent is kept from
// being faster.
TEST_F(Aftermath, ACoreDumpIntoAPipeReadsThePageAgain) {
  Write("/proc/sys/kernel/core_pattern", "|/init --count /run/core");
  ASSERT_NO_FATAL_FAILURE(BeginVictim());
  ASSERT_NO_FATAL_FAILURE(SignalAgent(SIGSTOP));
  ASSERT_NO_FATAL_FAILURE(MakeItBad());
  const auto felt = TouchUntilDead(*guest_, victim_, "read", kUntilSilent);
  EXPECT_FALSE(felt) << "the kernel lives";
  ASSERT_TRUE(HasPanicked());
  EXPECT_GE(watch_->Aborts().size(), 2u) << "by the process, and by the kernel";
  KeepAs("core_pattern_pipe", "panic");
  ExpectNextBootIsSound();
}

// The way out that an operator has: no anonymous memory in a dump. With the agent held back, the
// page is anybody's afterwards: the next owner's clear_page, which no dump calls, is the only other
// reader that there may be.
TEST_F(Aftermath, WithoutAnonymousMemoryInTheDumpItIsReadOnce) {
  Write("/proc/sys/kernel/core_pattern", "|/init --count /run/core");
  ASSERT_NO_FATAL_FAILURE(BeginVictim());
  Write(fmt::format("/proc/{}/coredump_filter", victim_.pid), "0");
  ASSERT_NO_FATAL_FAILURE(SignalAgent(SIGSTOP));
  ASSERT_NO_FATAL_FAILURE(MakeItBad());
  const auto felt = TouchUntilDead(*guest_, victim_, "read", kUntilSilent);
  if (!felt) {
    ASSERT_TRUE(HasPanicked()) << felt.error().Text();
    EXPECT_GE(Signs().in_clear_page, 1u) << "handed out again, not dumped";
    KeepAs("core_pattern_pipe_filtered", "reused_panic");
    return ExpectNextBootIsSound();
  }
  EXPECT_EQ(felt->signal, SIGBUS);
  const auto dumped = guest_->AskAgain("read", {{"path", "/run/core"}}, kQuestion);
  ASSERT_TRUE(dumped) << dumped.error().Text();
  EXPECT_GT(std::stoull(dumped->at("text").get<std::string>()), 0u) << "bytes of the dump";
  EXPECT_EQ(watch_->Aborts().size(), 1u);
  ASSERT_NO_FATAL_FAILURE(SignalAgent(SIGCONT));
  EXPECT_TRUE(watch_->WaitVerdict(victim_.page));
  KeepAs("core_pattern_pipe_filtered", "signal_7");
  ExpectOutOfUse();
}

// The freed page lies at the front of the kernel's free list. Who is faster, the agent or the next
// process, is not decided here; what is: nobody has the page after the verdict.
TEST_F(Aftermath, AForkInTheMomentOfTheDeathMayBeGivenThePageButNobodyLater) {
  ASSERT_NO_FATAL_FAILURE(BeginVictim());
  ASSERT_NO_FATAL_FAILURE(MakeItBad());
  const auto end = guest_->Ask("victim_succeed", {{"pid", victim_.pid}}, kUntilSilent);
  if (!end) {
    ASSERT_TRUE(HasPanicked()) << end.error().Text();
    EXPECT_GE(Signs().in_clear_page, 1u) << "the kernel clears a page before it gives it";
    EXPECT_GE(watch_->Aborts().size(), 2u);
    KeepAs("immediate_fork", "reused_panic");
    return ExpectNextBootIsSound();
  }
  EXPECT_EQ(end->at("signal"), SIGBUS);
  EXPECT_FALSE(end->at("given")) << "a page that nobody can clear";
  EXPECT_EQ(watch_->Aborts().size(), 1u);
  EXPECT_TRUE(watch_->WaitVerdict(victim_.page));
  KeepAs("immediate_fork", "not_reused");
  ExpectOutOfUse();
}

}  // namespace
}  // namespace seaward::lab
