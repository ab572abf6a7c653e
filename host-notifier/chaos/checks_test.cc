// What a ledger must say behind a run, row by row.
#include "host-notifier/chaos/checks.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace seaward::chaos {
namespace {

constexpr GuestPhysAddr kPage{0x40001000};

LedgerRow Row(const std::string& life, std::uint64_t events = 1, bool of_this_memory = true) {
  return {ByteRange::Granule(kPage), life, life, events, of_this_memory};
}

RunRecord Told(std::uint32_t times) {
  RunRecord run;
  run.pages = {{.page = kPage, .told = times}};
  run.news_told = times;
  return run;
}

// The checks that do not hold.
std::string Failing(RunRecord run, const std::vector<LedgerRow>& before,
                    const std::vector<LedgerRow>& after, const std::string& session = "live") {
  CheckRun(run, before, after, {.session = session, .boot_id = "b"});
  std::string failing;
  for (const CheckRecord& check : run.checks)
    if (!check.held) failing += check.name + " ";
  return failing;
}

TEST(Checks, HoldForOneRowWithAFinalWord) {
  for (const char* life : {"retired", "excluded", "failed"})
    EXPECT_EQ(Failing(Told(1), {}, {Row(life)}), "") << life;
}

TEST(Checks, AWordThatIsNotFinalIsNamed) {
  for (const char* life : {"reported", "delivered", "deferred", "to_replay"})
    EXPECT_EQ(Failing(Told(1), {}, {Row(life)}), "verdict ") << life;
}

TEST(Checks, APageThatIsOverNeedsNoOtherRow) {
  EXPECT_EQ(Failing(Told(1), {}, {Row("cleared")}), "");
  EXPECT_EQ(Failing(Told(1), {}, {Row("closed", 1, false)}), "") << "its memory is gone";
  EXPECT_EQ(Failing(Told(2), {}, {Row("cleared"), Row("retired")}), "") << "bad once more";
}

TEST(Checks, NoRowAndTwoRowsAreFound) {
  EXPECT_EQ(Failing(Told(1), {}, {}), "one_row losses_counted ");
  EXPECT_EQ(Failing(Told(2), {}, {Row("retired"), Row("retired")}), "one_row ");
}

TEST(Checks, ARowThatWasThereBeforeHidesNoLoss) {
  EXPECT_EQ(Failing(Told(2), {Row("retired", 4)}, {Row("retired", 6)}), "");
  EXPECT_EQ(Failing(Told(2), {Row("retired", 4)}, {Row("retired", 5)}), "losses_counted ");
}

TEST(Checks, AGuestThatIsNotInStepIsNamed) {
  EXPECT_EQ(Failing(Told(1), {}, {Row("retired")}, "sync"), "session ");
}

TEST(Checks, ManyComplaintsAreANumber) {
  RunRecord run;
  for (std::uint64_t i = 0; i < 30; ++i) run.pages.push_back({.page = {i << 12}, .told = 1});
  CheckRun(run, {}, {}, {.session = "live"});
  EXPECT_NE(run.checks[0].detail.find("; and 22 more"), std::string::npos) << run.checks[0].detail;
}

RC_GTEST_PROP(ChecksProperty, NoNewsIsLostSilentlyExactlyWhenAllAreRecordedOrCounted, ()) {
  const auto told = *rc::gen::inRange<std::uint32_t>(1, 50);
  const auto before = *rc::gen::inRange<std::uint64_t>(0, 50);
  const auto more = *rc::gen::inRange<std::uint64_t>(0, 50);
  RunRecord run = Told(told);
  run.losses_counted = *rc::gen::inRange<std::uint64_t>(0, 50);
  CheckRun(run, {Row("retired", before)}, {Row("retired", before + more)}, {.session = "live"});
  RC_ASSERT((run.losses_silent == 0) == (more + run.losses_counted >= told));
}

}  // namespace
}  // namespace seaward::chaos
