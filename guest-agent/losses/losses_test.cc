#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "guest-agent/losses/cgroup_names.h"
#include "guest-agent/losses/loss_finder.h"

namespace seaward::agent {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kPoisonType = 23;

std::uint64_t Poisoned(std::uint64_t frame) {
  return kSwapped | frame << 5 | kPoisonType;
}

TEST(Pagemap, OnlyAPoisonedEntryNamesALostFrame) {
  EXPECT_EQ(LostFrameIn(Poisoned(0x48048)).number, 0x48048u);
  EXPECT_EQ(LostFrameIn(std::uint64_t{1} << 63 | 0x48048).number, 0u) << "present";
  EXPECT_EQ(LostFrameIn(kSwapped | 0x48048 << 5 | 2).number, 0u) << "in the third swap file";
  EXPECT_EQ(LostFrameIn(0).number, 0u);
}

TEST(Maps, ALineIsASpan) {
  AddressSpan span;
  EXPECT_TRUE(ParseSpan("7f00000000-7f00003000 rw-p 00000000 00:00 0 [heap]", span));
  EXPECT_EQ(span.first, 0x7f00000000u);
  EXPECT_EQ(span.last, 0x7f00002fffu);
  EXPECT_FALSE(ParseSpan("7f00003000-7f00003000 rw-p", span));
  EXPECT_FALSE(ParseSpan("junk", span));
}

TEST(Text, OnlyPrintableBytesTravelAndTheEndOfAPathSaysMost) {
  EXPECT_EQ(Printable("a\nb\x80", 15), "a?b?");
  EXPECT_EQ(Printable("/user.slice/app", 9), "slice/app");
  EXPECT_EQ(UnifiedPathIn("1:name=x:/y\n0::/a.slice\n"), "/a.slice");
}

// A /proc of files.
class LossFinderTest : public testing::Test {
 protected:
  LossFinderTest() {
    char name[] = "/tmp/swlXXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~LossFinderTest() override { std::filesystem::remove_all(root_); }

  void ProcessHas(int pid, const std::string& comm, const std::vector<std::uint64_t>& pagemap) {
    const std::string folder = root_ + "/" + std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/comm") << comm << "\n";
    std::ofstream(folder + "/cgroup") << "0::/db.slice\n";
    // Its memory begins at address 0: the pagemap is as long as it.
    char line[64];
    std::snprintf(line, sizeof line, "0-%zx rw-p\n", pagemap.size() * 4096);
    std::ofstream(folder + "/maps") << line;
    std::ofstream(folder + "/pagemap", std::ios::binary)
        .write(reinterpret_cast<const char*>(pagemap.data()),
               static_cast<std::streamsize>(pagemap.size() * 8));
  }
  std::vector<protocol::Loss> Find(LossFinder& finder) {
    std::vector<protocol::Loss> all;
    for (int steps = 0; finder.HasWork() && steps < 10000; ++steps)
      if (auto found = finder.Step())
        all.insert(all.end(), found->losses.begin(), found->losses.end());
    return all;
  }

  std::string root_;
};

TEST_F(LossFinderTest, NamesEveryProcessThatLostThePage) {
  ProcessHas(12, "postgres", {0, Poisoned(0x48048), 0});
  ProcessHas(13, "backup", {Poisoned(0x48048)});
  ProcessHas(14, "bystander", {Poisoned(0x48049), std::uint64_t{1} << 63 | 0x48048});
  LossFinder finder(root_, root_, PageSize{});
  finder.Seek(7, ByteRange::Granule({0x48048000}), 4096, 0);
  const auto losses = Find(finder);
  ASSERT_THAT(losses, SizeIs(2));
  for (const auto& loss : losses) {
    EXPECT_EQ(loss.id, 7u);
    EXPECT_EQ(loss.comm, loss.pid == 12 ? "postgres" : "backup");
    EXPECT_EQ(loss.cgroup, "/db.slice");
    EXPECT_EQ(loss.lost_bytes, 4096u);
  }
}

TEST_F(LossFinderTest, ALargeProcessIsReadInSlices) {
  std::vector<std::uint64_t> pagemap(100000);
  pagemap.back() = Poisoned(0x48048);
  ProcessHas(12, "large", pagemap);
  LossFinder finder(root_, root_, PageSize{});
  finder.Seek(7, ByteRange::Granule({0x48048000}), 4096, 0);
  int steps = 0;
  std::optional<protocol::Losses> found;
  while (!found) {
    found = finder.Step();
    ++steps;
  }
  EXPECT_GT(steps, 12);
  EXPECT_THAT(found->losses, SizeIs(1));
  EXPECT_FALSE(finder.HasWork());
}

TEST_F(LossFinderTest, AtMostEightOfAThousandThatShareAPage) {
  for (int pid = 1; pid <= 1000; ++pid) ProcessHas(pid, "worker", {Poisoned(0x48048)});
  LossFinder finder(root_, root_, PageSize{});
  finder.Seek(7, ByteRange::Granule({0x48048000}), 4096, 0);
  EXPECT_THAT(Find(finder), SizeIs(8));
}

TEST_F(LossFinderTest, AFloodIsBoundedAndCounted) {
  LossFinder finder(root_, root_, PageSize{});
  for (std::uint64_t i = 0; i < 300; ++i)
    finder.Seek(i + 1, ByteRange::Granule({i * 4096}), 4096, 0);
  EXPECT_EQ(finder.passed_over(), 44u);
}

TEST_F(LossFinderTest, APageWhoseProcessIsGoneKeepsItsCgroup) {
  std::filesystem::create_directories(root_ + "/cg/db.slice/pg.service");
  struct stat status {};
  ASSERT_EQ(::stat((root_ + "/cg/db.slice/pg.service").c_str(), &status), 0);
  LossFinder finder(root_, root_ + "/cg", PageSize{});
  finder.Seek(7, ByteRange::Granule({0x48048000}), 4096, status.st_ino);
  finder.Seek(8, ByteRange::Granule({0x48049000}), 4096, 0);
  const auto losses = Find(finder);
  ASSERT_THAT(losses, SizeIs(1));
  EXPECT_EQ(losses[0].id, 7u);
  EXPECT_EQ(losses[0].pid, 0u);
  EXPECT_EQ(losses[0].cgroup, "/db.slice/pg.service");
}

}  // namespace
}  // namespace seaward::agent
