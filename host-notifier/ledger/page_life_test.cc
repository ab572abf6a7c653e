#include "host-notifier/ledger/page_life.h"

#include <gtest/gtest.h>

#include <map>

namespace seaward::ledger {
namespace {

using Life = PageLife;
using Event = PageEvent;

// One row per life, one column per event in the order of kAllPageEvents; "-" changes nothing.
//                         seen_again  delivered    v.retired   v.excluded  v.deferred  v.failed
//                         new_boot    boot_forgets clear       ends        continues
const std::map<Life, std::vector<std::string>> kTable = {
    {Life::kReported,
     {"reported", "delivered", "retired", "excluded", "deferred", "failed", "reported", "reported",
      "cleared", "closed", "-"}},
    {Life::kDelivered,
     {"delivered", "delivered", "retired", "excluded", "deferred", "failed", "to_replay", "cleared",
      "cleared", "closed", "-"}},
    {Life::kRetired,
     {"retired", "retired", "retired", "excluded", "deferred", "failed", "to_replay", "cleared",
      "cleared", "closed", "-"}},
    {Life::kExcluded,
     {"excluded", "excluded", "retired", "excluded", "deferred", "failed", "to_replay", "cleared",
      "cleared", "closed", "-"}},
    {Life::kDeferred,
     {"deferred", "deferred", "retired", "excluded", "deferred", "failed", "to_replay", "cleared",
      "cleared", "closed", "-"}},
    {Life::kFailed,
     {"failed", "failed", "retired", "excluded", "deferred", "failed", "to_replay", "cleared",
      "cleared", "closed", "-"}},
    {Life::kToReplay,
     {"to_replay", "delivered", "retired", "excluded", "deferred", "failed", "to_replay", "cleared",
      "cleared", "closed", "-"}},
    {Life::kCleared, {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"}},
    {Life::kClosed, {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "to_replay"}},
};

TEST(PageLife, FollowsTheTableInEveryCell) {
  for (const Life life : kAllPageLives) {
    std::size_t column = 0;
    for (const Event event : kAllPageEvents) {
      const auto next = Advance(life, event);
      EXPECT_EQ(next ? std::string(ToString(*next)) : "-", kTable.at(life)[column++])
          << ToString(life) << " on " << ToString(event);
    }
  }
}

TEST(PageLife, BulkEventsReachTheirEndAtOnce) {
  for (const Event event : {Event::kNewBoot, Event::kNewBootForgets, Event::kIncarnationEnds,
                            Event::kIncarnationContinues}) {
    for (const Life life : kAllPageLives) {
      const auto once = Advance(life, event);
      if (!once) continue;
      EXPECT_EQ(Advance(*once, event).value_or(*once), *once) << ToString(event);
    }
  }
}

TEST(PageLife, WordsRoundTrip) {
  for (const Life life : kAllPageLives) EXPECT_EQ(ParsePageLife(ToString(life)).value(), life);
  EXPECT_EQ(ParsePageLife("gone").error().code, ErrorCode::kCorrupt);
}

TEST(PageLife, EveryOutcomeHasItsEvent) {
  using protocol::Outcome;
  EXPECT_EQ(EventOf(Outcome::kRetired), Event::kVerdictRetired);
  EXPECT_EQ(EventOf(Outcome::kAlreadyRetired), Event::kVerdictRetired);
  EXPECT_EQ(EventOf(Outcome::kExcludedBeforeBoot), Event::kVerdictExcluded);
  EXPECT_EQ(EventOf(Outcome::kDeferred), Event::kVerdictDeferred);
  for (const Outcome bad :
       {Outcome::kInKernel, Outcome::kNotRam, Outcome::kBudgetExceeded, Outcome::kFailed})
    EXPECT_EQ(EventOf(bad), Event::kVerdictFailed);
}

}  // namespace
}  // namespace seaward::ledger
