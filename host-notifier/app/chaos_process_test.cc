// seaward-chaos as a program against the real notifier, a guest that answers, and a domain of
// libvirt's test driver with the VM's UUID.
#include <gmock/gmock.h>

#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

using ::testing::HasSubstr;

class ChaosProcessTest : public NotifierProcessTest {
 protected:
  ChaosProcessTest() {
    Mark(
        "<seaward:chaos xmlns:seaward='urn:seaward:chaos:1' allow='memory machine agent "
        "notifier'/>");
    std::ofstream(dir_ / "chaos.yaml") << "control_socket: " << dir_ / "control.sock"
                                       << "\nlibvirt:\n  uri: test://" << dir_ / "node.xml"
                                       << "\n";
  }
  void Mark(const std::string& element) {
    std::ofstream(dir_ / "node.xml")
        << "<node><domain type='test'><name>web</name><uuid>" << kVm
        << "</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os><metadata>" << element
        << "</metadata></domain></node>";
  }
  // As a service manager does it: always there, also after SIGKILL.
  void StartServedNotifier() {
    const std::string loop = "while :; do " SEAWARD_BINARY_DIR "/bin/seaward-notifier --config " +
                             (dir_ / "notifier.yaml") + " & echo $! >" + (dir_ / "pid") +
                             "; wait; done";
    auto started =
        testing::ChildProcess::Start({.argv = {"/bin/sh", "-c", loop}, .log = dir_ / "log"});
    ASSERT_TRUE(started) << started.error().Text();
    notifier_ = std::move(*started);
  }
  void Scenario(const std::string& text) { std::ofstream(dir_ / "s.yaml") << text; }
  // Runs it beside the guest; its exit code, and what it printed in `said_`.
  int Chaos(const std::vector<std::string>& more, const std::string& domain = "web") {
    std::vector<std::string> argv{SEAWARD_BINARY_DIR "/bin/seaward-chaos",
                                  "--vm",
                                  domain,
                                  "--scenario",
                                  dir_ / "s.yaml",
                                  "--config",
                                  dir_ / "chaos.yaml"};
    argv.insert(argv.end(), more.begin(), more.end());
    std::filesystem::remove(dir_ / "said");
    auto started = testing::ChildProcess::Start({.argv = argv, .log = dir_ / "said"});
    EXPECT_TRUE(started) << started.error().Text();
    if (!started) return -1;
    std::optional<testing::ChildEnd> end;
    Until("seaward-chaos ends", [&] { return (end = started->Wait(0ms)).has_value(); });
    std::stringstream text;
    text << std::ifstream(dir_ / "said").rdbuf();
    said_ = text.str();
    return end && end->signal == 0 ? end->exit_code : -1;
  }
  void AllIsUp() {
    GuestBoots();
    StartServedNotifier();
    Until("the guest is in step", [this] { return StatusOf("/vms/0/session") == "live"; });
  }
  Json Report() const {
    std::ifstream in(dir_ / "out/report.json");
    return Json::parse(in, nullptr, false);
  }

  std::string said_;
};

constexpr char kStory[] =
    "about: the notifier dies around bad pages\n"
    "pace: {max_ms: 100}\n"
    "steps:\n"
    "  - {do: poison, pages: 3}\n"
    "  - {do: kill_notifier}\n"
    "  - {do: poison, evidence: consumed, pages: 2}\n"
    "  - {do: poison_again, pages: 2}\n"
    "  - {do: pause}\n"
    "  - {do: resume}\n"
    "  - {do: restart_notifier}\n"
    "  - {do: kill_agent}\n";

TEST_F(ChaosProcessTest, PlaysAScenarioAndNothingIsLost) {
  AllIsUp();
  Scenario(kStory);
  const std::string restart = "kill -TERM $(cat " + (dir_ / "pid") + ")";
  ASSERT_EQ(0,
            Chaos({"--yes", "--seed", "7", "--report", dir_ / "out", "--restart-command", restart}))
      << said_;
  EXPECT_THAT(said_, HasSubstr("9 steps against 'web', 5 bad pages, seed 7:"));
  EXPECT_THAT(said_, HasSubstr("passed\n"));
  const Json report = Report();
  EXPECT_EQ(7, report["news_told"]);
  EXPECT_EQ(0, report["losses_silent"]);
  for (const Json& check : report["checks"]) EXPECT_EQ(true, check["held"]) << check;
  for (const Json& page : report["pages"]) EXPECT_EQ("retired", page["life"]) << page;
  // The test driver has no guest agent: what cannot be done is said, and is no failure.
  EXPECT_EQ("skipped", report["steps"][7]["end"]) << report["steps"];
  EXPECT_EQ("done", report["steps"][1]["end"]);
  // The ledger, read by SQLite itself.
  EXPECT_EQ(5, Count("SELECT count(*) FROM page WHERE life = 'retired'"));
  EXPECT_EQ(7, Count("SELECT sum(event_count) FROM page"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "out/report.html"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "out/report.xml"));
}

TEST_F(ChaosProcessTest, AGuestThatDoesNotAnswerFailsTheRun) {
  AllIsUp();
  guest_.set_answering(false);
  Scenario("about: x\nsettle_s: 1\nsteps: [{do: poison}]\n");
  EXPECT_EQ(1, Chaos({"--yes", "--report", dir_ / "out"}));
  EXPECT_THAT(said_, HasSubstr("verdict         DOES NOT HOLD: 0x4"));
  EXPECT_EQ(false, Report()["passed"]);
}

TEST_F(ChaosProcessTest, ADryRunIsTheSamePlanEveryTimeAndTouchesNothing) {
  Scenario(kStory);
  Mark("");
  ASSERT_EQ(0, Chaos({"--dry-run", "--seed", "7"})) << said_;
  const std::string first = said_;
  EXPECT_THAT(first, HasSubstr("poison report latent 3 pages 0x4"));
  ASSERT_EQ(0, Chaos({"--dry-run", "--seed", "7"}));
  EXPECT_EQ(first, said_);
  ASSERT_EQ(0, Chaos({"--dry-run", "--seed", "8"}));
  EXPECT_NE(first, said_);
}

TEST_F(ChaosProcessTest, HarmsNoVmThatIsNotMarkedForIt) {
  AllIsUp();
  Scenario("about: x\nsteps: [{do: poison}, {do: reset}]\n");
  Mark("");
  EXPECT_EQ(1, Chaos({"--yes"}));
  EXPECT_THAT(said_, HasSubstr("'web' is not marked for chaos"));
  Mark("<seaward:chaos xmlns:seaward='urn:seaward:chaos:1' allow='machine'/>");
  EXPECT_EQ(1, Chaos({"--yes"}));
  EXPECT_THAT(said_, HasSubstr("does not allow memory;"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM page"));
}

TEST_F(ChaosProcessTest, AsksBeforeItHarmsAnything) {
  AllIsUp();
  Scenario("about: x\nsteps: [{do: poison}]\n");
  EXPECT_EQ(2, Chaos({}));
  EXPECT_THAT(said_, HasSubstr("--yes goes on without"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM page"));
}

TEST_F(ChaosProcessTest, WhoIsMissingIsNamedByTheExitCode) {
  Scenario("about: x\nsteps: [{do: poison}]\n");
  EXPECT_EQ(3, Chaos({"--yes"})) << said_;
  EXPECT_THAT(said_, HasSubstr("no notifier"));
  EXPECT_EQ(4, Chaos({"--yes"}, "nobody")) << said_;
  std::ofstream(dir_ / "chaos.yaml") << "libvirt: {uri: none}\n";
  EXPECT_EQ(2, Chaos({"--yes"})) << said_;
}

}  // namespace
}  // namespace seaward
