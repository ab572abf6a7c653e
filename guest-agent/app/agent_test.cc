#include "guest-agent/app/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>

#include <filesystem>
#include <fstream>

#include "base/fake_clock.h"
#include "base/file_io.h"
#include "guest-agent/app/rehearsal.h"
#include "guest-agent/journal/journal_file.h"
#include "guest-agent/preboot/boot_installer.h"
#include "guest-agent/preboot/list_file.h"
#include "protocol/codec.h"
#include "protocol/frame_reader.h"

namespace seaward::agent {
namespace {

using namespace protocol;
using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

constexpr GuestPhysAddr kPage{0x40300000};

class NoLog final : public LogSink {
 public:
  void Write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

// A machine of files, whose port is a pseudo-terminal with the host at its other end.
class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    char name[] = "/tmp/swaXXXXXX";
    root_ = ::mkdtemp(name);
    roots_ = SystemRoots{root_ + "/sys", root_ + "/proc", root_ + "/dev"};
    config_.run_dir = root_ + "/run";
    config_.journal = root_ + "/lib/journal";
    config_.next_boot.list = root_ + "/lib/next-boot";
    KernelShows("/proc/sys/kernel/random/boot_id", "c7a5fdbd-edaf-9455-926a-d65c16db1809\n");
    KernelShows("/proc/iomem", "40000000-5fffffff : System RAM\n");
    KernelShows("/sys/class/virtio-ports/vport0p1/name", config_.channel_name + "\n");
    KernelShows(kHardOffline, "");
    std::filesystem::create_directories(root_ + "/dev");
    int host = -1;
    int guest = -1;
    char node[64];
    termios raw{};
    ::cfmakeraw(&raw);
    EXPECT_EQ(::openpty(&host, &guest, node, &raw, nullptr), 0);
    host_.Reset(host);
    guest_.Reset(guest);
    std::filesystem::create_symlink(node, root_ + "/dev/vport0p1");
  }
  ~AgentTest() override { std::filesystem::remove_all(root_); }

  void KernelShows(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string WrittenToSysfs() const { return ReadTextFile(root_ + kHardOffline, 4096).value(); }

  void AgentStarts(Stage stage = Stage::kRun) {
    agent_.reset();
    heard_.clear();
    auto agent = Agent::Create(config_, stage, {roots_, PageSize{}, clock_, log_});
    ASSERT_TRUE(agent) << agent.error().Text();
    agent_ = std::move(*agent);
    agent_->LookForPort();
    host_sequence_ = 0;
    HostSays(HelloAck{.incarnation = Uuid{{std::byte{7}}}});
  }
  void HostSays(const Message& message) {
    HostListens();
    ASSERT_NE(nonce_, Nonce::kNone);
    ASSERT_TRUE(WriteAll(host_.get(), EncodeFrame(message, nonce_, ++host_sequence_).value()));
    pollfd port{agent_->port_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&port, 1, 5000), 1);
    agent_->PortEvent();
    while (agent_->HasWork()) agent_->Work();
    agent_->Work();
    HostListens();
  }
  void HostListens() {
    std::array<std::byte, 4096> buffer;
    pollfd host{host_.get(), POLLIN, 0};
    while (::poll(&host, 1, 0) == 1) {
      const ssize_t n = ::read(host_.get(), buffer.data(), buffer.size());
      if (n <= 0) return;
      reader_.Feed(std::span(buffer).first(static_cast<std::size_t>(n)), [this](const Frame& f) {
        nonce_ = f.header.nonce;
        heard_.push_back(Decode(f).value());
      });
    }
  }
  std::vector<VerdictRecord> Verdicts() const {
    std::vector<VerdictRecord> out;
    for (const Message& message : heard_)
      if (const auto* verdict = std::get_if<Verdict>(&message))
        out.insert(out.end(), verdict->records.begin(), verdict->records.end());
    return out;
  }

  void MachineReboots() {
    agent_.reset();
    KernelShows("/proc/sys/kernel/random/boot_id", "0b2a5b6e-1d0f-4f5b-8c07-bb2f3c1b9a10\n");
    KernelShows(kHardOffline, "");
  }
  void MachineIsNamed() {
    KernelShows("/sys/class/dmi/id/product_uuid", std::string(kMachineName) + "\n");
  }
  // On one page, kPage.
  void DriverReports(nextboot::BootResult result, nextboot::PageFate fate) {
    nextboot::BootReport report;
    report.result = result;
    nextboot::AddFate(report, kPage.value, 1, fate);
    std::string text(nextboot::kMaxReportBytes, '\0');
    text.resize(nextboot::WriteReport(report, true, reinterpret_cast<std::uint8_t*>(text.data())));
    KernelShows(std::string("/sys/firmware/efi/efivars/SeawardReport-") + nextboot::kVendorText,
                std::string("\6\0\0\0", 4) + text);
  }

  static constexpr char kMachineName[] = "5ea3a4d0-0000-4000-8000-000000000001";
  static constexpr char kHardOffline[] = "/sys/devices/system/memory/hard_offline_page";
  std::string root_;
  SystemRoots roots_;
  AgentConfig config_;
  FakeClock clock_;
  NoLog sink_;
  Logger log_{sink_, LogLevel::kDebug};
  UniqueFd host_;
  UniqueFd guest_;  // keeps the terminal open between two agents
  FrameReader reader_;
  std::unique_ptr<Agent> agent_;
  std::vector<Message> heard_;
  Nonce nonce_ = Nonce::kNone;
  std::uint32_t host_sequence_ = 0;
};

TEST_F(AgentTest, WritesThePageAndAnswers) {
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  EXPECT_EQ(WrittenToSysfs(), "0x40300000");
  ASSERT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(Verdicts()[0].outcome, Outcome::kRetired);
}

TEST_F(AgentTest, TheDaemonRepeatsWhatTheEarlyStageConcluded) {
  AgentStarts(Stage::kEarly);
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  ASSERT_THAT(Verdicts(), SizeIs(1));
  KernelShows(kHardOffline, "");
  AgentStarts(Stage::kRun);
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage), .replay = true}}});
  ASSERT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(Verdicts()[0].outcome, Outcome::kRetired);
  EXPECT_EQ(Verdicts()[0].stage, Stage::kEarly);
  EXPECT_EQ(WrittenToSysfs(), "") << "no second attempt";
}

TEST_F(AgentTest, TheDaemonKeepsForTheNextBootWhatTheEarlyStageConcluded) {
  AgentStarts(Stage::kEarly);
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  ASSERT_THAT(Verdicts(), SizeIs(1));
  AgentStarts(Stage::kRun);  // and the host has nothing to ask
  clock_.Advance(std::chrono::seconds(2));
  agent_->Work();
  agent_.reset();  // the writer has finished
  const auto loaded = LoadJournal(config_.journal);
  ASSERT_TRUE(loaded && loaded->content);
  ASSERT_THAT(loaded->content->entries, SizeIs(1));
  EXPECT_EQ(loaded->content->entries[0].range.start(), kPage);
  EXPECT_EQ(loaded->content->entries[0].stage, Stage::kEarly);
}

TEST_F(AgentTest, TheDaemonKeepsAListForTheNextBoot) {
  MachineIsNamed();
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  clock_.Advance(std::chrono::seconds(2));
  agent_->Work();
  agent_.reset();
  const auto list = LoadList(config_.next_boot.list);
  ASSERT_TRUE(list) << list.error().Text();
  EXPECT_EQ(list->ranges, (std::vector<nextboot::ListedRange>{{kPage.value, 1, 0}}));
}

TEST_F(AgentTest, AHostThatWantsNothingEmptiesAListOfBefore) {
  MachineIsNamed();
  const auto machine = ParseUuid(kMachineName).value();
  ASSERT_TRUE(SaveList(config_.next_boot.list, {machine, {}, {{kPage.value, 1, 0}}}));
  AgentStarts();
  HostSays(Sync{});
  clock_.Advance(std::chrono::seconds(2));
  agent_->Work();
  agent_.reset();
  EXPECT_THAT(LoadList(config_.next_boot.list)->ranges, SizeIs(0));
}

TEST_F(AgentTest, AnEarlyStageWithoutAHostRetiresWhatTheDriverLeftToTheKernel) {
  DriverReports(nextboot::BootResult::kFailedTwice, nextboot::PageFate::kSkipped);
  const auto agent = Agent::Create(config_, Stage::kEarly, {roots_, PageSize{}, clock_, log_});
  ASSERT_TRUE(agent);
  (*agent)->RetireWhatTheDriverLeft(clock_.Now() + std::chrono::seconds(1));
  EXPECT_EQ(WrittenToSysfs(), "0x40300000");
  EXPECT_THAT(sink_.lines, Contains(HasSubstr("event=before_kernel result=failed_twice listed=1")));
}

TEST_F(AgentTest, WhatTheDriverProtectedIsNotTouched) {
  DriverReports(nextboot::BootResult::kApplied, nextboot::PageFate::kProtected);
  const auto agent = Agent::Create(config_, Stage::kEarly, {roots_, PageSize{}, clock_, log_});
  ASSERT_TRUE(agent);
  (*agent)->RetireWhatTheDriverLeft(clock_.Now() + std::chrono::seconds(1));
  EXPECT_EQ(WrittenToSysfs(), "");
}

TEST_F(AgentTest, WithoutAHostWhatTheJournalKnowsIsRetiredAndAnsweredLater) {
  MachineIsNamed();
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  agent_->SaveJournalNow();
  MachineReboots();  // behind the journal's writer
  auto alone = Agent::Create(config_, Stage::kEarly, {roots_, PageSize{}, clock_, log_});
  ASSERT_TRUE(alone);
  (*alone)->RetireWhatTheJournalKnows(clock_.Now() + std::chrono::seconds(1));
  EXPECT_EQ(WrittenToSysfs(), "0x40300000");
  EXPECT_THAT(sink_.lines, Contains(HasSubstr("event=journal_replayed entries=1")));
  alone->reset();
  // The host comes later, and is told of this boot.
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  ASSERT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(Verdicts()[0].outcome, Outcome::kRetired);
  EXPECT_EQ(Verdicts()[0].stage, Stage::kEarly);
}

TEST_F(AgentTest, AnotherMachinesJournalRetiresNothing) {
  MachineIsNamed();
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  agent_->SaveJournalNow();
  MachineReboots();  // behind the journal's writer
  KernelShows("/sys/class/dmi/id/product_uuid", "5ea3a4d0-0000-4000-8000-00000000c0b1\n");
  const auto alone = Agent::Create(config_, Stage::kEarly, {roots_, PageSize{}, clock_, log_});
  ASSERT_TRUE(alone);
  (*alone)->RetireWhatTheJournalKnows(clock_.Now() + std::chrono::seconds(1));
  EXPECT_EQ(WrittenToSysfs(), "");
}

TEST_F(AgentTest, TheHostHearsWhatRanBeforeTheKernel) {
  DriverReports(nextboot::BootResult::kFailedTwice, nextboot::PageFate::kSkipped);
  AgentStarts();
  HostSays(Sync{});
  std::vector<BeforeKernel> told;
  for (const Message& message : heard_)
    if (const auto* before = std::get_if<BeforeKernel>(&message)) told.push_back(*before);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].result, ListResult::kFailedTwice);
  EXPECT_EQ(told[0].listed_pages, 1u);
}

TEST_F(AgentTest, TheDaemonSaysThatItRuns) {
  AgentStarts();
  EXPECT_FALSE(std::filesystem::exists(config_.run_dir + std::string(kRunMark)));
  agent_->MarkRunning();
  EXPECT_TRUE(std::filesystem::exists(config_.run_dir + std::string(kRunMark)));
}

TEST_F(AgentTest, TheJournalFollowsTheVerdictsAndIsFoundByTheNextBoot) {
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  ASSERT_TRUE(agent_->NextDeadline());
  clock_.Advance(std::chrono::seconds(1));
  agent_->Work();
  EXPECT_FALSE(agent_->NextDeadline()) << "idle again";
  agent_.reset();
  const auto journal = LoadJournal(config_.journal);
  ASSERT_TRUE(journal && journal->content);
  EXPECT_THAT(journal->content->entries, SizeIs(1));

  KernelShows("/proc/sys/kernel/random/boot_id", "11111111-edaf-9455-926a-d65c16db1809\n");
  AgentStarts();
  const auto* hello = std::get_if<Hello>(&heard_.front());
  ASSERT_NE(hello, nullptr);
  EXPECT_EQ(hello->incarnation, (Uuid{{std::byte{7}}}));
  EXPECT_EQ(hello->entries, 0u) << "nothing is retired in the new boot";
}

TEST_F(AgentTest, AKernelWithoutHardOfflineIsServedAndSaid) {
  std::filesystem::remove(root_ + kHardOffline);
  AgentStarts();
  HostSays(Poison{{PoisonEntry{.id = 5, .range = ByteRange::Granule(kPage)}}});
  ASSERT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(Verdicts()[0].outcome, Outcome::kFailed);
  EXPECT_EQ(Verdicts()[0].sys_errno, EOPNOTSUPP);
  EXPECT_THAT(sink_.lines, testing::Contains(testing::HasSubstr("cannot_retire")));
}

TEST_F(AgentTest, TheRehearsalPlaysTheWholePath) {
  for (const std::uint64_t bytes : {4096u, 16384u, 65536u})
    EXPECT_TRUE(RehearseRetirement(PageSize{bytes}));
}

}  // namespace
}  // namespace seaward::agent
