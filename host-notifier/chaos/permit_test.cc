#include "host-notifier/chaos/permit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward::chaos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Plan PlanOf(std::vector<ActPattern> patterns) {
  Plan plan{.seed = 5, .acts = {}};
  for (const ActPattern& pattern : patterns)
    plan.acts.push_back({.pattern = pattern,
                         .pause_before = {},
                         .pages = pattern.act == Act::kPoison ? std::vector{GuestPhysAddr{}}
                                                              : std::vector<GuestPhysAddr>{}});
  return plan;
}

const Plan kBoth = PlanOf({{.act = Act::kPoison}, {.act = Act::kReset}, {.act = Act::kSettle}});

TEST(Permit, IsWhatTheMarkAllows) {
  EXPECT_TRUE(Permit(kBoth, "web", "<chaos allow='memory machine'/>"));
  EXPECT_TRUE(Permit(kBoth, "web", "<chaos allow='machine notifier memory'/>"));
  EXPECT_TRUE(Permit(PlanOf({{.act = Act::kWait}, {.act = Act::kSettle}}), "web", std::nullopt));
}

TEST(Permit, WithoutAMarkItSaysHowToMakeOne) {
  const auto permitted = Permit(kBoth, "web", std::nullopt);
  ASSERT_FALSE(permitted);
  EXPECT_EQ(permitted.error().code, ErrorCode::kDenied);
  EXPECT_EQ(permitted.error().context,
            "'web' is not marked for chaos; to allow it: virsh metadata 'web' urn:seaward:chaos:1 "
            "--key seaward --set \"<chaos allow='memory machine'/>\"");
}

TEST(Permit, NamesWhatTheMarkDoesNotAllow) {
  EXPECT_THAT(Permit(kBoth, "web", "<chaos allow='memory'/>").error().context,
              HasSubstr("the mark of 'web' does not allow machine;"));
  EXPECT_THAT(Permit(kBoth, "web", "<chaos allow='memory machine all'/>").error().context,
              HasSubstr("unknown permission 'all'"));
  EXPECT_THAT(Permit(kBoth, "web", "<chaos/>").error().context, HasSubstr("no attribute 'allow'"));
}

TEST(Permit, EachHarmfulActNeedsItsOwn) {
  const std::pair<ActPattern, const char*> needs[] = {
      {{.act = Act::kPoison}, "memory"},
      {{.act = Act::kPoison, .way = PoisonWay::kGuestInject}, "memory"},
      {{.act = Act::kPoison, .way = PoisonWay::kHostFrame}, "host_memory"},
      {{.act = Act::kPoisonAgain}, "memory"},
      {{.act = Act::kPause}, "machine"},
      {{.act = Act::kReset}, "machine"},
      {{.act = Act::kReboot}, "machine"},
      {{.act = Act::kKillAgent}, "agent"},
      {{.act = Act::kKillNotifier}, "notifier"},
      {{.act = Act::kRestartNotifier}, "notifier"}};
  for (const auto& [pattern, word] : needs) {
    const Plan plan = PlanOf({pattern});
    EXPECT_TRUE(Permit(plan, "web", "<chaos allow='" + std::string(word) + "'/>")) << word;
    EXPECT_FALSE(Permit(plan, "web", "<chaos allow=''/>")) << word;
  }
}

TEST(Warning, SaysWhatIsAboutToBeHarmed) {
  const std::string text = Warning(kBoth, "web");
  EXPECT_THAT(text, HasSubstr("3 steps against 'web', 1 bad pages, seed 5:"));
  EXPECT_THAT(text, HasSubstr("it is paused, reset or rebooted"));
  EXPECT_THAT(text, Not(HasSubstr("for all VMs")));
}

}  // namespace
}  // namespace seaward::chaos
