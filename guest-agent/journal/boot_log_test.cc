#include "guest-agent/journal/boot_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;
using testing::IsEmpty;
using testing::SizeIs;

class BootLogTest : public testing::Test {
 protected:
  BootLogTest() {
    char name[] = "/tmp/swbXXXXXX";
    root_ = ::mkdtemp(name);
    path_ = root_ + "/retirements";
  }
  ~BootLogTest() override { std::filesystem::remove_all(root_); }
  BootLog AgentStarts(std::uint8_t boot = 1) {
    return BootLog::Open(path_, Uuid{{std::byte{boot}}}).value();
  }
  static ByteRange Page(std::uint64_t n) { return ByteRange::Granule(GuestPhysAddr{n * 4096}); }
  // The agent is killed while it writes: `bytes` of the file are left.
  void CutAt(std::uintmax_t bytes) { std::filesystem::resize_file(path_, bytes); }
  void Damage(std::streamoff at) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.put('\x55');
  }

  std::string root_;
  std::string path_;
  const PageVerdict verdict_{.outcome = Outcome::kInKernel,
                             .kind = PageKind::kKernel,
                             .stage = Stage::kEarly,
                             .verb = Verb::kHard,
                             .sys_errno = 16,
                             .duration = std::chrono::nanoseconds(123456)};
};

TEST_F(BootLogTest, TheNextAgentOfTheBootReadsWhatWasDone) {
  {
    BootLog log = AgentStarts();
    log.Attempting(Page(5), Verb::kHard, PageKind::kKernel);
    log.Concluded(Page(5), verdict_);
    log.Attempting(Page(6), Verb::kSoft, PageKind::kFree);
  }
  const BootLog log = AgentStarts();
  ASSERT_THAT(log.earlier(), SizeIs(3));
  EXPECT_FALSE(log.earlier()[0].concluded);
  EXPECT_TRUE(log.earlier()[1].concluded);
  EXPECT_EQ(log.earlier()[1].range, Page(5));
  EXPECT_EQ(log.earlier()[1].verdict, verdict_);
  EXPECT_EQ(log.earlier()[2].verdict.kind, PageKind::kFree);
  EXPECT_EQ(log.earlier()[2].verdict.verb, Verb::kSoft);
  EXPECT_EQ(log.skipped_bytes(), 0u);
}

TEST_F(BootLogTest, AnotherBootsLogIsSetAside) {
  AgentStarts(1).Concluded(Page(5), verdict_);
  const BootLog log = AgentStarts(2);
  EXPECT_TRUE(log.set_aside());
  EXPECT_THAT(log.earlier(), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(path_ + ".stale"));
}

TEST_F(BootLogTest, ATornTailIsCutOffAtEveryLengthAndTheRestStays) {
  for (std::size_t torn = 1; torn < kBootRecordBytes; ++torn) {
    std::filesystem::remove(path_);
    {
      BootLog log = AgentStarts();
      log.Concluded(Page(1), verdict_);
      log.Concluded(Page(2), verdict_);
    }
    CutAt(kBootLogHeaderBytes + kBootRecordBytes + torn);
    {
      BootLog log = AgentStarts();
      EXPECT_THAT(log.earlier(), SizeIs(1));
      EXPECT_EQ(log.skipped_bytes(), torn);
      log.Concluded(Page(3), verdict_);
    }
    ASSERT_THAT(AgentStarts().earlier(), SizeIs(2)) << torn;
    EXPECT_EQ(AgentStarts().earlier()[1].range, Page(3));
  }
}

TEST_F(BootLogTest, ADamagedRecordCostsOnlyItself) {
  {
    BootLog log = AgentStarts();
    for (std::uint64_t n = 1; n <= 3; ++n) log.Concluded(Page(n), verdict_);
  }
  Damage(kBootLogHeaderBytes + kBootRecordBytes + 10);
  const BootLog log = AgentStarts();
  ASSERT_THAT(log.earlier(), SizeIs(2));
  EXPECT_EQ(log.earlier()[1].range, Page(3));
  EXPECT_EQ(log.skipped_bytes(), kBootRecordBytes);
}

TEST_F(BootLogTest, WhatAKilledAgentDidIsKnownToTheNext) {
  constexpr std::uint64_t kPages = 2000;  // several windows full
  const pid_t child = ::fork();
  if (child == 0) {
    BootLog log = AgentStarts();
    for (std::uint64_t n = 0; n < kPages; ++n) log.Concluded(Page(n), verdict_);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const BootLog log = AgentStarts();
  ASSERT_THAT(log.earlier(), SizeIs(kPages));
  for (std::uint64_t n = 0; n < kPages; ++n) EXPECT_EQ(log.earlier()[n].range, Page(n));
  EXPECT_EQ(log.skipped_bytes(), 0u);
}

TEST_F(BootLogTest, BelongsToOneAgentAtATime) {
  const BootLog log = AgentStarts();
  const auto second = BootLog::Open(path_, Uuid{{std::byte{1}}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

TEST_F(BootLogTest, WithoutRoomRecordsAreCountedAndLaterOnesKept) {
  const auto full = [](rlim_t most) {
    const rlimit limit{most, RLIM_INFINITY};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  };
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  constexpr std::uint64_t kPages = 2000;
  {
    BootLog log = AgentStarts();
    full(64 << 10);
    for (std::uint64_t n = 0; n < kPages; ++n) log.Concluded(Page(n), verdict_);
    full(RLIM_INFINITY);
    EXPECT_GT(log.unwritten(), 0u);
    EXPECT_LT(log.unwritten(), kPages);
    log.Concluded(Page(kPages), verdict_);
  }
  std::signal(SIGXFSZ, ignored);
  const BootLog log = AgentStarts();
  EXPECT_GT(log.earlier().size(), 1u);
  EXPECT_EQ(log.earlier().back().range, Page(kPages));
  EXPECT_EQ(log.skipped_bytes(), 0u);
}

TEST_F(BootLogTest, ADamagedHeaderSetsTheLogAside) {
  AgentStarts().Concluded(Page(1), verdict_);
  Damage(9);
  EXPECT_TRUE(AgentStarts().set_aside());
  EXPECT_FALSE(AgentStarts().set_aside()) << "the new log is good";
}

}  // namespace
}  // namespace seaward::agent
