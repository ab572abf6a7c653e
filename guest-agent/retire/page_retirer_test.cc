#include "guest-agent/retire/page_retirer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/fake_clock.h"
#include "base/file_io.h"
#include "guest-agent/retire/fake_kernel.h"

namespace seaward::agent {
namespace {

using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;
using testing::ElementsAre;
using Use = FakeKernel::Use;

class RecordOfCalls final : public AttemptRecord {
 public:
  void Attempting(const ByteRange&, Verb, PageKind) override { calls.push_back("attempting"); }
  void Concluded(const ByteRange&, const PageVerdict&) override { calls.push_back("concluded"); }
  std::vector<std::string> calls;
};

constexpr GuestPhysAddr kPage{0x40300000};

class PageRetirerTest : public testing::Test {
 protected:
  PageVerdict Retire(Verb verb, std::optional<PageKind> first_kind = {}) {
    const PageFrame frame = FrameOf(kPage, PageSize{});
    return retirer_.Retire(frame, verb, LookAt(kernel_, frame), first_kind);
  }
  FakeKernel kernel_;
  FakeClock clock_;
  RecordOfCalls record_;
  PageRetirer retirer_{kernel_, kernel_, record_, clock_, PageSize{}, Stage::kRun};
};

TEST_F(PageRetirerTest, RetiresAFreePageWithOneHardWrite) {
  kernel_.OnWrite([this] { clock_.Advance(std::chrono::microseconds(380)); });
  const auto verdict = Retire(Verb::kHard);
  EXPECT_EQ(verdict.outcome, Outcome::kRetired);
  EXPECT_EQ(verdict.kind, PageKind::kFree);
  EXPECT_EQ(verdict.sys_errno, 0);
  EXPECT_EQ(verdict.duration, std::chrono::microseconds(380));
  EXPECT_THAT(kernel_.writes(), ElementsAre(FakeKernel::Write{Verb::kHard, kPage}));
}

TEST_F(PageRetirerTest, SoftRetiresAnAnonymousPage) {
  kernel_.Holds(kPage, Use::kAnonymous);
  const auto verdict = Retire(Verb::kSoft);
  EXPECT_EQ(verdict.outcome, Outcome::kRetired);
  EXPECT_EQ(verdict.kind, PageKind::kAnonymous);
  EXPECT_THAT(kernel_.writes(), ElementsAre(FakeKernel::Write{Verb::kSoft, kPage}));
}

TEST_F(PageRetirerTest, PagesOfTheKernelAreInKernelAtTheFirstAndTheSecondAttempt) {
  for (const Use use : {Use::kSlab, Use::kPageTable, Use::kKernelText}) {
    kernel_.Holds(kPage, use);
    EXPECT_EQ(Retire(Verb::kHard).outcome, Outcome::kInKernel);
    const auto second = Retire(Verb::kHard);
    EXPECT_EQ(second.outcome, Outcome::kInKernel);
    EXPECT_EQ(second.sys_errno, EHWPOISON);
  }
}

TEST_F(PageRetirerTest, ASoftAttemptOnAFlaggedPageIsNotMadeAtAll) {
  kernel_.Holds(kPage, Use::kSlab);
  kernel_.Flags(kPage);
  EXPECT_EQ(Retire(Verb::kSoft).outcome, Outcome::kInKernel);
  EXPECT_TRUE(kernel_.writes().empty());
}

TEST_F(PageRetirerTest, APageRetiredBySomebodyElseIsAlreadyRetired) {
  kernel_.Holds(kPage, Use::kKernelPlain);
  kernel_.Flags(kPage);
  const auto verdict = Retire(Verb::kHard);
  EXPECT_EQ(verdict.outcome, Outcome::kAlreadyRetired);
  EXPECT_EQ(verdict.kind, PageKind::kHwpoison);
}

TEST_F(PageRetirerTest, AHugetlbPageIsProvenByItsHead) {
  kernel_.Holds(GuestPhysAddr{0x40200000}, Use::kHugetlb);
  kernel_.Holds(kPage, Use::kHugetlb);
  EXPECT_EQ(Retire(Verb::kHard).kind, PageKind::kHuge);
}

TEST_F(PageRetirerTest, WorksWithoutKpageflags) {
  kernel_.HideKpageflags();
  const auto verdict = Retire(Verb::kHard);
  EXPECT_EQ(verdict.outcome, Outcome::kRetired);
  EXPECT_EQ(verdict.kind, PageKind::kUnknown);
}

TEST_F(PageRetirerTest, TheAttemptIsOnRecordBeforeTheWrite) {
  kernel_.OnWrite([this] { EXPECT_THAT(record_.calls, ElementsAre("attempting")); });
  (void)Retire(Verb::kHard);
  EXPECT_THAT(record_.calls, ElementsAre("attempting", "concluded"));
}

TEST(SysfsPageOffliner, WritesThePrefixedAddressOnceAndReportsWhatIsMissing) {
  char name[] = "/tmp/swoXXXXXX";
  const std::string root = ::mkdtemp(name);
  const std::string folder = root + "/devices/system/memory";
  std::filesystem::create_directories(folder);
  EXPECT_FALSE(SysfsPageOffliner::Open(root));
  std::ofstream(folder + "/hard_offline_page").flush();
  auto offliner = SysfsPageOffliner::Open(root);
  ASSERT_TRUE(offliner) << offliner.error().Text();
  EXPECT_EQ(offliner->TakeOffline(Verb::kHard, GuestPhysAddr{0x4711000}), 0);
  EXPECT_EQ(ReadTextFile(folder + "/hard_offline_page", 100).value(), "0x4711000");
  EXPECT_EQ(offliner->TakeOffline(Verb::kSoft, GuestPhysAddr{0x4711000}), EOPNOTSUPP);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace seaward::agent
