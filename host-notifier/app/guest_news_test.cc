// By whom a guest's pages are protected, who lost some, what became of its list before the kernel:
// from the guest's own words through the real notifier to what an operator reads.
#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;

constexpr std::uint64_t kPage = 0x40711000;

class GuestNewsTest : public NotifierProcessTest {
 protected:
  struct Answer {
    Outcome outcome = Outcome::kRetired;
    PageKind kind = PageKind::kAnonymous;
    Stage stage = Stage::kRun;
  };

  // Page after page goes bad, and the guest answers each as it says.
  void PagesGoBad(const std::vector<Answer>& answers) {
    guest_.set_decide([answers](const protocol::PoisonEntry& entry) {
      const Answer& answer = answers.at((entry.range.start().value - kPage) / kPoisonGranule);
      protocol::VerdictRecord record;
      record.id = entry.id;
      record.range = entry.range;
      record.outcome = answer.outcome;
      record.kind = answer.kind;
      record.stage = answer.stage;
      if (answer.outcome == Outcome::kDeferred) record.next_try = std::chrono::hours(1);
      return std::vector{record};
    });
    for (std::size_t i = 0; i < answers.size(); ++i) VcpuConsumesPoison(kPage + i * kPoisonGranule);
    Until("all are answered", [&] {
      return Count("SELECT count(*) FROM verdict") == static_cast<std::int64_t>(answers.size());
    });
  }
  void AttachedGuest() {
    GuestBoots();
    StartNotifier();
    VmmAttaches();
    Until("the guest is in step", [this] { return guest_.synced(); });
  }
  protocol::Loss LossOf(std::size_t heard, std::uint32_t pid, const std::string& comm) {
    const protocol::PoisonEntry& entry = guest_.entries_heard().at(heard);
    return {entry.id, entry.range, entry.range.length(), pid, comm, "/system.slice/db.service"};
  }
  Json StatusOfVm(bool pages = true) {
    const Json status = Ask({{"op", "status"}, {"vm", "web"}, {"pages", pages}});
    return status.is_object() && status.contains("vms") ? status["vms"].at(0) : Json();
  }
  std::string Ctl(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {SEAWARD_BINARY_DIR "/bin/seawardctl", "--socket",
                                     dir_ / "control.sock"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const auto output = testing::RunToEnd(argv, kPatience);
    if (!output) return output.error().Text();
    EXPECT_EQ(0, output->end.exit_code) << output->err;
    return output->out;
  }
  bool Shows(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return true;
    ADD_FAILURE() << "no '" << part << "' in\n" << text;
    return false;
  }
};

TEST_F(GuestNewsTest, SharesOfProtectionAreWhatTheGuestAnswered) {
  AttachedGuest();
  PagesGoBad({{Outcome::kExcludedBeforeBoot, PageKind::kOffline, Stage::kRun},
              {Outcome::kRetired, PageKind::kFree, Stage::kEarly},
              {Outcome::kRetired, PageKind::kAnonymous, Stage::kRun},
              {Outcome::kAlreadyRetired, PageKind::kHwpoison, Stage::kRun},
              {Outcome::kInKernel, PageKind::kReserved, Stage::kRun},
              {Outcome::kNotRam, PageKind::kOffline, Stage::kRun},
              {Outcome::kInKernel, PageKind::kReserved, Stage::kEarly},
              {Outcome::kDeferred, PageKind::kFile, Stage::kRun}});
  EXPECT_EQ(1, Count("SELECT count(*) FROM page WHERE protected_by='before_kernel'"));
  EXPECT_EQ(1, Count("SELECT count(*) FROM page WHERE protected_by='early'"));
  EXPECT_EQ(2, Count("SELECT count(*) FROM page WHERE protected_by='run'"));
  EXPECT_EQ(4, Count("SELECT count(*) FROM page WHERE protected_by IS NULL"));
  const Json expected = {{"pages", 8},
                         {"before_kernel", 1},
                         {"early", 1},
                         {"run", 2},
                         {"never", 3},
                         {"pending", 1},
                         {"never_why",
                          {{{"outcome", "in_kernel"}, {"kind", "reserved"}, {"pages", 2}},
                           {{"outcome", "not_ram"}, {"kind", "offline"}, {"pages", 1}}}}};
  EXPECT_EQ(expected, StatusOfVm()["coverage"]);
  EXPECT_EQ(expected, StatusOfVm(false)["coverage"]) << "one VM's is always told";
  EXPECT_EQ(expected, StatusOf("/vms/0/coverage"));
  EXPECT_TRUE(Ask({{"op", "status"}, {"pages", false}})["vms"][0]["coverage"].is_null());
  const std::string text = Ctl({"status", "web"});
  EXPECT_EQ(text, Ctl({"status", "--vm", "web"}));
  Shows(text, "BEFORE-KERNEL");
  Shows(text, "1 (12.5 %)     1 (12.5 %)  2 (25.0 %)  3 (37.5 %)  1 (12.5 %)");
  Shows(text, "web              2      in_kernel  reserved");

  // Nothing is protected in a boot that has not said so.
  guest_.set_answering(false);
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  guest_.SayHello();
  Until("the next boot is there", [this] { return StatusOfVm()["coverage"]["pending"] == 8; });
  EXPECT_EQ(1, Count("SELECT count(*) FROM page WHERE protected_by='early'")) << "in the last one";
  StopNotifier();
}

TEST_F(GuestNewsTest, LossesAndTheListBeforeTheKernelSurviveTheNotifier) {
  AttachedGuest();
  PagesGoBad({{}, {}});
  EXPECT_TRUE(StatusOfVm()["boot_list"].is_null());
  EXPECT_EQ(Json::array(), StatusOfVm()["losses"]);
  EXPECT_TRUE(StatusOf("/vms/0/losses").is_null()) << "for one VM only";
  protocol::Loss foreign = LossOf(0, 1, "liar");
  foreign.id = 4711;
  guest_.Say(protocol::Losses{{LossOf(0, 77, "postgres"), foreign, LossOf(1, 0, "")}});
  guest_.Say(protocol::BeforeKernel{protocol::ListResult::kFailedTwice, 2, 9, 0});
  Until("both are on record", [this] {
    return Count("SELECT count(*) FROM incarnation WHERE list_result='failed_twice'") == 1 &&
           StatusOfVm()["page_losses"] == 2;
  });
  EXPECT_EQ(2, Count("SELECT count(*) FROM loss"));
  EXPECT_EQ(1, Count("SELECT count(*) FROM loss l JOIN page p ON p.id = l.page WHERE l.pid=77 AND "
                     "l.comm='postgres' AND l.cgroup='/system.slice/db.service' AND "
                     "l.lost_bytes=4096 AND l.gpa=p.gpa AND p.gpa=" +
                     std::to_string(kPage)));
  KillNotifier();
  StartNotifier();
  Until("it is back", [this] { return StatusOfVm()["session"] == "live"; });
  const Json vm = StatusOfVm(false);
  EXPECT_EQ(
      (Json{{"result", "failed_twice"}, {"boots", 2}, {"listed_pages", 9}, {"protected_pages", 0}}),
      vm["boot_list"]);
  ASSERT_EQ(2u, vm["losses"].size());
  EXPECT_EQ("postgres", vm["losses"][0]["comm"]);
  EXPECT_EQ(77, vm["losses"][0]["pid"]);
  EXPECT_EQ("0x40711000", vm["losses"][0]["gpa"]);
  EXPECT_TRUE(vm["losses"][1]["comm"].is_null());
  const std::string text = Ctl({"status", "web", "--no-pages"});
  Shows(text, "skipped: its boots failed: 0 of 9 pages");
  Shows(text, "web  0x40711000  4096   77   postgres  /system.slice/db.service");

  guest_.Reboot(protocol::testing::NumberedUuid(2));
  guest_.SayHello();
  Until("the list is the next boot's affair",
        [this] { return StatusOfVm()["boot_list"].is_null(); });
  guest_.Say(protocol::BeforeKernel{protocol::ListResult::kApplied, 1, 9, 8});
  Until("it was used", [this] { return StatusOfVm()["boot_list"]["protected_pages"] == 8; });
  Shows(Ctl({"status"}), "active: 8 of 9 pages");
  EXPECT_EQ(2u, StatusOfVm()["losses"].size()) << "what was lost stays lost";
  StopNotifier();
}

TEST_F(GuestNewsTest, ARebuiltLedgerIsToldWhoProtectsThePages) {
  AttachedGuest();
  PagesGoBad({{Outcome::kExcludedBeforeBoot, PageKind::kOffline, Stage::kRun},
              {Outcome::kRetired, PageKind::kFree, Stage::kEarly}});
  guest_.set_known({{ByteRange::Make(GuestPhysAddr{kPage}, kPoisonGranule).value(),
                     protocol::Evidence::kConsumed, true},
                    {ByteRange::Make(GuestPhysAddr{kPage + kPoisonGranule}, kPoisonGranule).value(),
                     protocol::Evidence::kConsumed, true}});
  StopNotifier();
  {
    std::fstream file(dir_ / "state/ledger.db", std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(5000, 'x');
  }
  StartNotifier();
  Until("the guest has said it again", [this] {
    const Json coverage = StatusOfVm()["coverage"];
    return coverage.is_object() && coverage["before_kernel"] == 1 && coverage["early"] == 1;
  });
  EXPECT_TRUE(Logged("event=ledger_corrupt"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM loss"));
  StopNotifier();
}

}  // namespace
}  // namespace seaward
