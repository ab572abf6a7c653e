#include "host-notifier/app/place_asker.h"

#include <gmock/gmock.h>

#include "base/fake_clock.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

using ::testing::ElementsAre;

class PlaceAskerTest : public LoopTest {
 protected:
  PlaceAsker::Done Note() {
    return [this](std::optional<GuestPhysAddr> guest) {
      answers_.push_back(guest ? guest->value : 0);
    };
  }
  SystemClock clock_;
  std::vector<vmm::PlaceQuestion> sent_;
  bool reads_ = true;
  std::vector<std::uint64_t> answers_;
  PlaceAsker asker_{loop_, clock_, [this](const vmm::PlaceQuestion& question) {
                      if (reads_) sent_.push_back(question);
                      return reads_;
                    }};
};

TEST_F(PlaceAskerTest, EachAnswerGoesToItsQuestion) {
  asker_.Ask(HostVirtAddr{0x1000}, Note());
  asker_.Ask(HostVirtAddr{0x2000}, Note());
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[1].host, HostVirtAddr{0x2000});
  EXPECT_TRUE(asker_.Answered({sent_[1].id, GuestPhysAddr{0x42000}}));
  EXPECT_TRUE(asker_.Answered({sent_[0].id, std::nullopt}));
  EXPECT_THAT(answers_, ElementsAre(0x42000, 0));
  EXPECT_TRUE(asker_.Answered({sent_[0].id, GuestPhysAddr{0x1}})) << "late, or twice";
  EXPECT_FALSE(asker_.Answered({77, GuestPhysAddr{0x1}})) << "never asked";
  EXPECT_FALSE(asker_.Answered({0, std::nullopt}));
  EXPECT_EQ(answers_.size(), 2u);
}

TEST_F(PlaceAskerTest, WhoReadsNoQuestionsIsNotWaitedFor) {
  reads_ = false;
  asker_.Ask(HostVirtAddr{0x1000}, Note());
  EXPECT_THAT(answers_, ElementsAre(0));
}

TEST_F(PlaceAskerTest, AVmmThatIsSilentIsWaitedForNoLongerThanThePatience) {
  asker_.Ask(HostVirtAddr{0x1000}, Note());
  asker_.Ask(HostVirtAddr{0x2000}, Note());
  RunUntil([this] { return answers_.size() == 2; });
  asker_.Ask(HostVirtAddr{0x3000}, Note());
  asker_.Stop();
  EXPECT_EQ(answers_.size(), 3u) << "the VMM is gone";
}

}  // namespace
}  // namespace seaward
