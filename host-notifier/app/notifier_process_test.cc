#include <sys/resource.h>

#include <filesystem>

#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

constexpr std::uint64_t kPage = 0x40711000;

TEST_F(NotifierProcessTest, ExitBecomesAVerdictInTheLedgerAndFreesItsSlot) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  VcpuConsumesPoison(kPage + 0x123);
  Until("the guest hears of the page", [this] { return GuestHeard(kPage); });
  Until("the ledger has the verdict",
        [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  Until("the slot is free", [this] { return VmmStatus().waiting == 0; });
  EXPECT_EQ("0x40711000", StatusOf("/vms/0/pages/0/gpa"));
  EXPECT_EQ("retired", StatusOf("/vms/0/pages/0/outcome"));
  EXPECT_GT(StatusOf("/vms/0/pages/0/exposure_us").get<std::int64_t>(), 0);
  EXPECT_EQ(1, Count("SELECT count(*) FROM verdict"));
  StopNotifier();
}

TEST_F(NotifierProcessTest, ExitsWaitInTheRingForANotifierThatComesLater) {
  GuestBoots();
  VmmAttaches();
  for (std::uint64_t i = 0; i < 5; ++i) VcpuConsumesPoison(kPage + i * 4096);
  StartNotifier();
  Until("all are retired", [this] {
    return VmmStatus().waiting == 0 && Count("SELECT count(*) FROM page WHERE life='retired'") == 5;
  });
  EXPECT_EQ(5, Count("SELECT sum(event_count) FROM page"));
}

TEST_F(NotifierProcessTest, AVerdictThatFollowsADeferralIsHeardByTheNextNotifier) {
  guest_.set_decide([](const protocol::PoisonEntry& entry) {
    protocol::VerdictRecord record;
    record.id = entry.id;
    record.range = entry.range;
    record.outcome = protocol::Outcome::kDeferred;
    record.next_try = std::chrono::hours(1);
    return std::vector{record};
  });
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  VcpuConsumesPoison(kPage);
  Until("the deferral is durable",
        [this] { return Count("SELECT count(*) FROM page WHERE life='deferred'") == 1; });
  KillNotifier();
  StartNotifier();
  Until("the guest is asked again", [this] { return guest_.entries_heard().size() == 2; });
  protocol::VerdictRecord late;
  late.id = guest_.entries_heard().back().id;
  late.range = ByteRange::Granule(GuestPhysAddr{kPage});
  late.outcome = protocol::Outcome::kRetired;
  guest_.Say(protocol::Verdict{{late}});
  Until("the ledger has the verdict",
        [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
}

enum class Moment { kBeforeDelivery, kBetweenDeliveryAndVerdict, kAfterVerdict };

class NotifierKilledTest : public NotifierProcessTest,
                           public ::testing::WithParamInterface<Moment> {
 protected:
  void ReachTheMoment() {
    switch (GetParam()) {
      case Moment::kBeforeDelivery:  // no guest: the event is on record, nobody has heard of it
        VcpuConsumesPoison(kPage);
        return Until("the slot is free", [this] { return VmmStatus().waiting == 0; });
      case Moment::kBetweenDeliveryAndVerdict:
        GuestBoots();
        guest_.set_answering(false);
        VcpuConsumesPoison(kPage);
        return Until("the guest hears of the page", [this] { return GuestHeard(kPage); });
      case Moment::kAfterVerdict:
        GuestBoots();
        VcpuConsumesPoison(kPage);
        return Until("the ledger has the verdict",
                     [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
    }
  }
};

TEST_P(NotifierKilledTest, NothingIsLostAndNothingIsDoubled) {
  StartNotifier();
  VmmAttaches();
  Until("the VMM is attached", [this] { return VmmStatus().attached == 1; });
  ReachTheMoment();
  KillNotifier();
  if (GetParam() == Moment::kBeforeDelivery) GuestBoots();
  guest_.set_answering(true);
  StartNotifier();
  Until("the guest heard of the page", [this] { return GuestHeard(kPage); });
  Until("the guest is in step again", [this] { return guest_.synced(); });
  Until("the ledger has the verdict",
        [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  Until("the slot is free", [this] { return VmmStatus().waiting == 0; });
  EXPECT_EQ(1, Count("SELECT count(*) FROM page"));
  EXPECT_EQ(1, Count("SELECT count(*) FROM verdict"));
  EXPECT_EQ(1, Count("SELECT count(*) FROM incarnation"));
  EXPECT_GE(Count("SELECT event_count FROM page"), 1);
}

INSTANTIATE_TEST_SUITE_P(AtEveryMoment, NotifierKilledTest,
                         ::testing::Values(Moment::kBeforeDelivery,
                                           Moment::kBetweenDeliveryAndVerdict,
                                           Moment::kAfterVerdict),
                         [](const auto& kill) {
                           switch (kill.param) {
                             case Moment::kBeforeDelivery:
                               return "BeforeDelivery";
                             case Moment::kBetweenDeliveryAndVerdict:
                               return "BetweenDeliveryAndVerdict";
                             case Moment::kAfterVerdict:
                               return "AfterVerdict";
                           }
                           return "";
                         });

TEST_F(NotifierProcessTest, ANewBootGetsEveryPageAgain) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  VcpuConsumesPoison(kPage);
  Until("it is retired", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  guest_.SayHello();
  Until("the new boot is in step", [this] { return guest_.synced(); });
  Until("the ledger has the second boot's verdict",
        [this] { return Count("SELECT count(*) FROM verdict") == 2; });
  EXPECT_TRUE(guest_.entries_heard().back().replay);
  EXPECT_EQ(1, Count("SELECT count(*) FROM page"));
  EXPECT_EQ("retired", StatusOf("/vms/0/pages/0/life"));
}

TEST_F(NotifierProcessTest, FullDiskKeepsSlotsAndSaysSoWhileDeliveryGoesOn) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  std::uint64_t next = 0;
  VcpuConsumesPoison(kPage + 4096 * next++);
  Until("the guest retires it", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  // Room for a few events more in the ledger's log.
  const rlim_t full = std::filesystem::file_size(dir_ / "state/ledger.db-wal") + 32768;
  const rlimit limit{full, RLIM_INFINITY};
  ASSERT_EQ(0, ::prlimit(notifier_.pid(), RLIMIT_FSIZE, &limit, nullptr));
  Until("the ledger refuses", [this, &next] {
    if (VmmStatus().waiting == 0) VcpuConsumesPoison(kPage + 4096 * next++);
    return Logged("event=ledger_not_writable");
  });
  const std::uint64_t late = kPage + 4096 * next++;
  VcpuConsumesPoison(late);
  Until("the guest hears of it all the same", [this, late] { return GuestHeard(late); });
  EXPECT_GT(VmmStatus().waiting, 0u);
  EXPECT_EQ(false, StatusOf("/ledger/writable"));
  const rlimit lifted{RLIM_INFINITY, RLIM_INFINITY};
  ASSERT_EQ(0, ::prlimit(notifier_.pid(), RLIMIT_FSIZE, &lifted, nullptr));
  Until("every slot is free", [this] { return VmmStatus().waiting == 0; });
  Until("all verdicts are in", [this, &next] {
    return Count("SELECT count(*) FROM page WHERE life='retired'") ==
           static_cast<std::int64_t>(next);
  });
  EXPECT_TRUE(Logged("event=ledger_writable"));
  const std::string log = Log();
  const auto first = log.find("event=ledger_not_writable");
  EXPECT_EQ(std::string::npos, log.find("event=ledger_not_writable", first + 1)) << "said once";
  StopNotifier();
}

TEST_F(NotifierProcessTest, VmmThatClaimsAnothersVmIsRefusedAndNamed) {
  GuestBoots();
  StartNotifier();
  VmmAttaches("00000000-0000-0000-0000-0000000000ff");
  VcpuConsumesPoison(kPage);
  Until("it is refused", [this] { return VmmStatus().refusals > 0; });
  EXPECT_EQ(0u, VmmStatus().attached);
  EXPECT_GE(StatusOf("/attach/refused").get<int>(), 1);
  EXPECT_TRUE(Logged("pid=" + std::to_string(::getpid()) + " uid=" + std::to_string(::geteuid())));
  EXPECT_EQ(0, Count("SELECT count(*) FROM event"));
  StopNotifier();
}

TEST_F(NotifierProcessTest, SecondProcessCannotSpeakForAVmWhoseVmmLives) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("the VMM is attached", [this] { return VmmStatus().attached == 1; });
  const auto intruder = testing::RunToEnd(
      {std::string(SEAWARD_BINARY_DIR) + "/bin/seaward-publish", "--socket", dir_ / "attach.sock",
       "--vm", kVm, "--gpa", "0x50000000", "--deadline-ms", "1000"},
      kPatience);
  ASSERT_TRUE(intruder) << intruder.error().Text();
  EXPECT_NE(0, intruder->end.exit_code);
  EXPECT_TRUE(Logged("is attached by pid " + std::to_string(::getpid())));
  EXPECT_EQ(0, Count("SELECT count(*) FROM event"));
}

// Without a channel the attached process is the VM. Only root is told frame numbers.
class HostRetirementTest : public NotifierProcessTest {
 protected:
  void VmmOfItsOwnConsumesBackedPoison() {
    auto vmm = testing::ChildProcess::Start(
        {.argv = {std::string(SEAWARD_BINARY_DIR) + "/bin/seaward-publish", "--socket",
                  dir_ / "attach.sock", "--vm", kVm, "--gpa", "0x40711000", "--backed", "--stay"},
         .log = dir_ / "publish.log"});
    ASSERT_TRUE(vmm) << vmm.error().Text();
    vmm_process_ = std::move(*vmm);
    Until("the page is on record", [this] { return Count("SELECT count(*) FROM page") == 1; });
    EXPECT_EQ(root_ ? "pending" : "no", StatusOf("/vms/0/pages/0/host_retired"));
    EXPECT_EQ("", Offlined());
  }
  void ExpectTheFrameRetired() {
    if (!root_) return;
    Until("it is retired in the host",
          [this] { return Count("SELECT count(*) FROM page WHERE host_retired='yes'") == 1; });
    const auto frame = static_cast<std::uint64_t>(Count("SELECT host_frame FROM page"));
    const std::string address = FormatAddress(frame * kPoisonGranule);
    EXPECT_EQ(address, Offlined());
  }
  std::string Offlined() const {
    std::ifstream in(dir_ / "hard_offline_page");
    std::string text;
    in >> text;
    return text;
  }
  const bool root_ = ::geteuid() == 0;
  testing::ChildProcess vmm_process_;
};

TEST_F(HostRetirementTest, FrameIsTakenAwayWhenTheVmEnds) {
  StartNotifier();
  VmmOfItsOwnConsumesBackedPoison();
  vmm_process_.KillNow();
  ExpectTheFrameRetired();
  Until("its pages are closed",
        [this] { return Count("SELECT count(*) FROM page WHERE life='closed'") == 1; });
}

TEST_F(HostRetirementTest, FrameOfAVmThatEndedUnwatchedIsTakenAwayLater) {
  StartNotifier();
  VmmOfItsOwnConsumesBackedPoison();
  KillNotifier();
  vmm_process_.KillNow();
  StartNotifier();
  ExpectTheFrameRetired();
  Until("its pages are closed",
        [this] { return Count("SELECT count(*) FROM page WHERE life='closed'") == 1; });
}

TEST_F(NotifierProcessTest, ReportOfAnOperatorTakesTheSameWay) {
  GuestBoots();
  StartNotifier();
  Until("the VM runs", [this] { return StatusOf("/vms/0/running") == true; });
  Json report{{"op", "report"},
              {"vm", "web"},
              {"gpa", "0x50000000"},
              {"length_bytes", 8192},
              {"evidence", "predicted"}};
  Until("it is taken", [&] { return Ask(report).contains("page"); });
  Until("it is retired", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  EXPECT_EQ(protocol::Evidence::kPredicted, guest_.entries_heard().back().evidence);
  report["vm"] = "nobody";
  EXPECT_TRUE(Ask(report).contains("error"));
}

}  // namespace
}  // namespace seaward
