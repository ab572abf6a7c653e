// What operators do to the ledger, on the real process.
#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

constexpr std::uint64_t kPage = 0x40711000;

class UpkeepTest : public NotifierProcessTest {
 protected:
  void AGuestRetires(std::uint64_t gpa) {
    VcpuConsumesPoison(gpa);
    Until("the page is retired",
          [this, gpa] { return GuestHeard(gpa) && StatusOf("/vms/0/pages/0/life") == "retired"; });
  }
  void AttachedGuest() {
    GuestBoots();
    StartNotifier();
    VmmAttaches();
    Until("the VMM is attached", [this] { return VmmStatus().attached == 1; });
    AGuestRetires(kPage);
  }
  // The lines that answer `request` and what follows it on the socket.
  std::vector<Json> Talk(const std::string& text) {
    auto socket = ConnectUnix(dir_ / "control.sock");
    EXPECT_TRUE(socket);
    std::string rest = text;
    std::string answer;
    std::size_t sent = 0;
    char chunk[65536];
    while (sent < rest.size()) {
      const ssize_t n = ::send(socket->get(), rest.data() + sent, rest.size() - sent, MSG_NOSIGNAL);
      if (n < 0) break;
      sent += static_cast<std::size_t>(n);
    }
    ::shutdown(socket->get(), SHUT_WR);
    for (ssize_t n = 0; (n = ::recv(socket->get(), chunk, sizeof(chunk), 0)) > 0;)
      answer.append(chunk, static_cast<std::size_t>(n));
    std::vector<Json> lines;
    std::istringstream in(answer);
    for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  Json Clear(std::uint64_t gpa) {
    std::ostringstream hex;
    hex << "0x" << std::hex << gpa;
    return Ask({{"op", "clear"}, {"vm", "web"}, {"gpa", hex.str()}, {"reason", "page was healed"}});
  }
};

TEST_F(UpkeepTest, ClearTellsTheGuestAndTheAudit) {
  AttachedGuest();
  EXPECT_EQ("invalid", Clear(kPage + 4096)["error"]["code"]);
  const Json cleared = Clear(kPage);
  EXPECT_EQ("cleared", cleared["pages"][0]["life"]);
  Until("the guest heard", [this] { return !guest_.ranges_cleared().empty(); });
  EXPECT_TRUE(Ask({{"op", "can_migrate"}, {"vm", "web"}})["safe"]);
  const Json audit = Ask({{"op", "audit"}})["audit"];
  ASSERT_EQ(1u, audit.size());
  EXPECT_EQ("page was healed", audit[0]["reason"]);
  EXPECT_EQ(::getpid(), audit[0]["pid"]);
  EXPECT_EQ(::geteuid(), audit[0]["uid"]);
  VcpuConsumesPoison(kPage);
  Until("the next error there is a page of its own",
        [this] { return Count("SELECT count(*) FROM page") == 2; });
}

TEST_F(UpkeepTest, ReplaySendsWhatTheGuestAnsweredAlready) {
  AttachedGuest();
  const std::size_t heard = guest_.entries_heard().size();
  const Json replay = Ask({{"op", "replay"}, {"vm", "web"}});
  EXPECT_EQ(1, replay["pages"]);
  EXPECT_EQ(true, replay["sent"]);
  Until("the guest hears of it again", [&] { return guest_.entries_heard().size() > heard; });
}

TEST_F(UpkeepTest, ADrainedNotifierLeavesExitsInTheirRingUntilItGoesOn) {
  AttachedGuest();
  const Json drained = Ask({{"op", "drain"}, {"wait_s", 60}});
  EXPECT_EQ(true, drained["drained"]) << drained.dump();
  EXPECT_EQ(true, StatusOf("/draining"));
  VcpuConsumesPoison(kPage + 4096);
  EXPECT_EQ("busy", Ask({{"op", "report"}, {"vm", "web"}, {"gpa", "0x1000"}})["error"]["code"]);
  EXPECT_EQ(1u, VmmStatus().waiting);
  EXPECT_EQ(1, Count("SELECT count(*) FROM page"));
  Ask({{"op", "drain"}, {"end", true}});
  Until("the exit is taken", [this] { return GuestHeard(kPage + 4096); });
  EXPECT_EQ(false, StatusOf("/draining"));
}

TEST_F(UpkeepTest, ADrainInVainSaysWhatIsOwedAndGoesOn) {
  AttachedGuest();
  guest_.set_answering(false);
  VcpuConsumesPoison(kPage + 4096);
  Until("the guest hears of it", [this] { return GuestHeard(kPage + 4096); });
  const Json drained = Ask({{"op", "drain"}, {"wait_s", 1}});
  EXPECT_EQ(false, drained["drained"]);
  EXPECT_EQ(1, drained["unanswered_pages"]);
  EXPECT_EQ(false, StatusOf("/draining"));
  guest_.set_answering(true);
  VcpuConsumesPoison(kPage + 8192);
  Until("events are taken", [this] { return GuestHeard(kPage + 8192); });
}

TEST_F(UpkeepTest, AnExportBringsALostLedgerBackIntoARunningNotifier) {
  AttachedGuest();
  const std::vector<Json> lines = Talk("{\"op\":\"export\"}\n");
  ASSERT_GE(lines.size(), 6u);
  EXPECT_EQ("seaward_ledger", lines.front()["type"]);
  EXPECT_EQ(lines.size() - 2, lines.back()["records"]);
  std::string file = "{\"op\":\"import\"}\n";
  for (const Json& line : lines) file += line.dump() + "\n";
  StopNotifier();
  std::filesystem::remove_all(dir_ / "state");
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  StartNotifier();
  Until("the VM runs", [this] { return StatusOf("/vms/0/incarnation").is_string(); });
  EXPECT_EQ(0, Count("SELECT count(*) FROM page"));
  const std::size_t heard = guest_.entries_heard().size();
  const std::vector<Json> answer = Talk(file);
  ASSERT_EQ(1u, answer.size());
  EXPECT_EQ(0, answer[0]["refused"]) << answer[0].dump();
  EXPECT_GT(answer[0]["added"], 0);
  Until("the guest retires the page again", [&] {
    return guest_.entries_heard().size() > heard && StatusOf("/vms/0/pages/0/life") == "retired";
  });
  EXPECT_EQ("import", Ask({{"op", "audit"}})["audit"][0]["action"]);
}

TEST_F(UpkeepTest, ACorruptLedgerIsSaidUntilSomebodyLooks) {
  StartNotifier();
  Until("it answers", [this] { return StatusOf("/version").is_string(); });
  EXPECT_TRUE(StatusOf("/ledger/rebuilt").is_null());
  StopNotifier();
  std::ofstream(dir_ / "state/ledger.db", std::ios::trunc) << std::string(20000, 'x');
  for (int start = 0; start < 2; ++start) {
    StartNotifier();
    Until("it answers", [this] { return StatusOf("/ledger/rebuilt/why").is_string(); });
    EXPECT_TRUE(std::filesystem::exists(StatusOf("/ledger/rebuilt/set_aside").get<std::string>()));
    StopNotifier();
  }
  EXPECT_TRUE(Logged("event=ledger_corrupt"));
}

}  // namespace
}  // namespace seaward
