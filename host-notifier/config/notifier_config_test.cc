#include "host-notifier/config/notifier_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Shipped() {
  return std::string(SEAWARD_SOURCE_DIR) + "/configs/notifier.yaml";
}

std::vector<std::string> Errors(std::string_view text) {
  std::vector<std::string> lines;
  const auto loaded = ParseNotifierConfig("notifier.yaml", text);
  if (!loaded)
    for (const yaml::Diagnostic& diagnostic : loaded.error()) lines.push_back(diagnostic.Render());
  return lines;
}

void ExpectDefaults(const NotifierConfig& config) {
  EXPECT_EQ(config.state_dir, "/var/lib/seaward");
  EXPECT_EQ(config.LedgerPath(), "/var/lib/seaward/ledger.db");
  EXPECT_EQ(config.control_socket, "/run/seaward/control.sock");
  EXPECT_EQ(config.attach_socket, "/run/seaward/attach.sock");
  EXPECT_EQ(config.log_level, LogLevel::kInfo);
  EXPECT_EQ(config.host_retire, HostRetire::kAuto);
  EXPECT_EQ(config.heal, HealMode::kOff);
  EXPECT_EQ(config.hard_offline_path, "/sys/devices/system/memory/hard_offline_page");
  EXPECT_TRUE(config.libvirt.enabled);
  EXPECT_EQ(config.libvirt.uri, "qemu:///system");
  EXPECT_EQ(config.libvirt.status_dir, "/run/libvirt/qemu");
  EXPECT_EQ(config.libvirt.channel_name, "org.seaward.agent.0");
  EXPECT_TRUE(config.static_vms.empty());
  EXPECT_EQ(config.session.resend_initial, std::chrono::seconds(1));
  EXPECT_EQ(config.session.resend_max, std::chrono::seconds(30));
  EXPECT_EQ(config.session.heartbeat, std::chrono::seconds(300));
  EXPECT_EQ(config.session.verdict_deadline, std::chrono::seconds(60));
  EXPECT_EQ(config.session.outstanding_bytes, 32768u);
  EXPECT_EQ(config.retention.closed_pages, std::chrono::hours(90 * 24));
  EXPECT_EQ(config.retention.events, std::chrono::hours(90 * 24));
  EXPECT_EQ(config.retention.audit, std::chrono::hours(365 * 24));
  EXPECT_EQ(config.retention.max_rows, 1000000u);
}

TEST(NotifierConfig, HasADefaultForEveryKey) {
  const auto loaded = ParseNotifierConfig("notifier.yaml", "");
  ASSERT_TRUE(loaded) << Render(loaded.error());
  ExpectDefaults(*loaded);
}

TEST(NotifierConfig, ShippedFileSaysTheDefaults) {
  const auto loaded = LoadNotifierConfig(Shipped());
  ASSERT_TRUE(loaded) << Render(loaded.error());
  ExpectDefaults(*loaded);
}

TEST(NotifierConfig, ReadsAHostWithoutLibvirt) {
  const auto loaded = ParseNotifierConfig("notifier.yaml", R"(
host_retire: at_end
log_level: debug
libvirt: {uri: none}
static_vms:
  - name: g1
    uuid: c7a5fdbd-edaf-9455-926a-d65c16db1809
    channel: /run/g1/agent.sock
    attach_uid: 64055
    has_ghes: true
session:
  resend_initial_ms: 50
  heartbeat_s: 0
)");
  ASSERT_TRUE(loaded) << Render(loaded.error());
  EXPECT_FALSE(loaded->libvirt.enabled);
  EXPECT_EQ(loaded->host_retire, HostRetire::kAtEnd);
  EXPECT_EQ(loaded->log_level, LogLevel::kDebug);
  ASSERT_EQ(loaded->static_vms.size(), 1u);
  EXPECT_EQ(loaded->static_vms[0].channel, "/run/g1/agent.sock");
  EXPECT_EQ(loaded->static_vms[0].attach_uid, 64055u);
  EXPECT_TRUE(loaded->static_vms[0].has_ghes);
  EXPECT_EQ(loaded->session.resend_initial, std::chrono::milliseconds(50));
  EXPECT_EQ(loaded->session.heartbeat, std::chrono::seconds(0));
}

TEST(NotifierConfig, ReportsEveryErrorWithItsPlace) {
  EXPECT_THAT(
      Errors("stat_dir: /x\n"
             "host_retire: atend\n"
             "libvirt:\n"
             "  url: qemu:///session\n"
             "  status_dir: run\n"
             "session:\n"
             "  resend_initial_ms: 5000\n"
             "  resend_max_ms: 4000\n"
             "  outstanding_bytes: 65536\n"),
      ElementsAre(
          "notifier.yaml:1:1: error: unknown key 'stat_dir'; did you mean 'state_dir'?",
          "notifier.yaml:2:14: error: 'host_retire' must be one of auto, after_verdict, at_end, "
          "off, found 'atend'; did you mean 'at_end'?",
          "notifier.yaml:4:3: error: unknown key 'url'; did you mean 'uri'?",
          "notifier.yaml:5:15: error: 'libvirt.status_dir' is not an absolute path: 'run'",
          "notifier.yaml:8:18: error: 'session.resend_max_ms' is less than "
          "'session.resend_initial_ms'",
          "notifier.yaml:9:22: error: 'session.outstanding_bytes' is 65536; want 4124 to 49152"));
}

TEST(NotifierConfig, HealsInTheMomentThatIsNamed) {
  const auto mode = [](const std::string& word) {
    return ParseNotifierConfig("n.yaml", "heal: " + word + "\n")->heal;
  };
  EXPECT_EQ(mode("off"), HealMode::kOff);
  EXPECT_EQ(mode("at_reset"), HealMode::kAtReset);
  EXPECT_EQ(mode("when_retired"), HealMode::kWhenRetired);
  EXPECT_THAT(Errors("heal: at_boot\n"), ElementsAre(HasSubstr("notifier.yaml:1:7: error: 'heal' "
                                                               "must be one of off, at_reset")));
}

TEST(NotifierConfig, HealsNothingThatTheHostWouldGiveToOthers) {
  EXPECT_THAT(Errors("host_retire: off\nheal: when_retired\n"),
              ElementsAre("notifier.yaml:2:7: error: 'heal' needs 'host_retire': another VM would "
                          "get the bad page"));
  EXPECT_TRUE(ParseNotifierConfig("n.yaml", "host_retire: off\nheal: off\n"));
}

TEST(NotifierConfig, NamesTheVmsWhoseMemoryStays) {
  const auto config = ParseNotifierConfig("n.yaml", "fixed_backing: [pmem-*, 'db[0-9]']\n");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->HasFixedBacking("pmem-1"));
  EXPECT_TRUE(config->HasFixedBacking("db7"));
  EXPECT_FALSE(config->HasFixedBacking("db77"));
  EXPECT_FALSE(ParseNotifierConfig("n.yaml", "")->HasFixedBacking("db7"));
  EXPECT_THAT(Errors("fixed_backing: [a, 'b[']\n"),
              ElementsAre(HasSubstr("notifier.yaml:1:20: error: ")));
}

TEST(NotifierConfig, MetricsListenOnNumbersOnly) {
  const auto listen = [](const std::string& where) {
    const auto loaded = ParseNotifierConfig("n.yaml", "metrics: {listen: '" + where + "'}\n");
    return loaded ? loaded->metrics.address + " " + std::to_string(loaded->metrics.port)
                  : "refused";
  };
  EXPECT_EQ(listen("127.0.0.1:9647"), "127.0.0.1 9647");
  EXPECT_EQ(listen("[::1]:0"), "::1 0");
  for (const char* wrong : {"localhost:9647", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                            "::1:80", "[127.0.0.1]:80", ":9647", "127.0.0.1:9647x", "off"})
    EXPECT_EQ(listen(wrong), "refused") << wrong;
  EXPECT_FALSE(ParseNotifierConfig("n.yaml", "metrics: {listen: none}\n")->metrics.enabled);
}

TEST(NotifierConfig, RefusesVmsThatCannotBeToldApart) {
  EXPECT_THAT(Errors("static_vms:\n"
                     "  - {name: a, uuid: c7a5fdbd-edaf-9455-926a-d65c16db1809, channel: /a}\n"
                     "  - {name: a, uuid: c7a5fdbd-edaf-9455-926a-d65c16db1809, channel: /a}\n"),
              ElementsAre("notifier.yaml:3:5: error: 'a' has this channel already",
                          "notifier.yaml:3:12: error: a second VM named 'a'",
                          "notifier.yaml:3:21: error: 'a' has this UUID already"));
}

TEST(NotifierConfig, RefusesSocketPathsThatNoSocketCanHave) {
  EXPECT_THAT(Errors("control_socket: /" + std::string(107, 'x') + "\n"),
              ElementsAre(HasSubstr("notifier.yaml:1:17: error: 'control_socket' is 108 bytes")));
  EXPECT_THAT(Errors("control_socket: /s\nattach_socket: /s\n"),
              ElementsAre(HasSubstr("are the same path")));
}

}  // namespace
}  // namespace seaward::config
