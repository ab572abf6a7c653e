// Alarms of the real notifier: raised, recorded, told, and over again.
#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

class NotifierAlarmTest : public NotifierProcessTest {
 protected:
  std::size_t TimesLogged(const std::string& text) const {
    const std::string log = Log();
    std::size_t times = 0;
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at) ++times;
    return times;
  }
  bool Stands(const std::string& alarm) {
    const Json alarms = StatusOf("/vms/0/alarms");
    return alarms.is_array() && alarms.size() == 1 && alarms[0]["alarm"] == alarm;
  }
  // "unattached:raised unattached:over ..." as seawardctl events shows them.
  std::string History() {
    std::string words;
    const Json events = Ask({{"op", "events"}});
    if (!events.contains("alarms")) return "no answer";
    for (const Json& row : events["alarms"])
      words += row["alarm"].get<std::string>() + (row["raised"] == true ? ":raised " : ":over ");
    return words;
  }
  // Null members as long as nobody answers.
  Json CanMigrate() { return Ask({{"op", "can_migrate"}, {"vm", "web"}}); }
};

TEST_F(NotifierAlarmTest, AVmWithoutItsVmmRaisesAnAlarmUntilItAttaches) {
  Configure("none", "attach_grace_s: 0\n");
  GuestBoots();
  StartNotifier();
  Until("the alarm stands", [this] { return Stands("unattached"); });
  Until("it is on record", [this] { return History() == "unattached:raised "; });
  VmmAttaches();
  Until("it is over", [this] { return StatusOf("/vms/0/alarms").empty(); });
  Until("that is on record", [this] { return History() == "unattached:raised unattached:over "; });
  EXPECT_EQ(TimesLogged("event=alarm_raised"), 1u);
  EXPECT_EQ(TimesLogged("event=alarm_over"), 1u);
  StopNotifier();
}

TEST_F(NotifierAlarmTest, AlarmOfAnEarlierNotifierIsOverWhenTheVmmAttachesToTheNext) {
  Configure("none", "attach_grace_s: 0\n");
  GuestBoots();
  StartNotifier();
  Until("the alarm is on record", [this] { return History() == "unattached:raised "; });
  KillNotifier();
  Configure("none");
  VmmAttaches();
  StartNotifier();
  Until("it is over", [this] { return History() == "unattached:raised unattached:over "; });
  EXPECT_EQ(TimesLogged("event=alarm_raised"), 1u) << "the grace time of the second one holds";
}

TEST_F(NotifierAlarmTest, ABadPageForbidsMigrationAlsoWhenItIsRetired) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("it is known to be sound", [this] { return CanMigrate()["safe"] == true; });
  EXPECT_EQ(true, CanMigrate()["running"]);
  VcpuConsumesPoison(0x40711000);
  Until("it is retired", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  const Json word = CanMigrate();
  EXPECT_EQ(false, word["safe"]);
  EXPECT_EQ(1, word["unhealed_pages"]);
  Until("status says so", [this] { return StatusOf("/vms/0/migration/safe") == false; });
  Until("the alarm stands", [this] { return Stands("unsafe_to_migrate"); });
  EXPECT_EQ("not_found", Ask({{"op", "can_migrate"}, {"vm", "nobody"}})["error"]["code"]);
  StopNotifier();
}

}  // namespace
}  // namespace seaward
