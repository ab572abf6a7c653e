#include "tests/lab/host/survey.h"

#include <gtest/gtest.h>

namespace seaward::lab {
namespace {

ByteRange Pages(std::uint64_t first, std::uint64_t count) {
  return ByteRange::Make({first * kPoisonGranule}, count * kPoisonGranule).value();
}

TEST(ChooseFrame, TakesOnlyWhatEveryBootShowedFreeAndUntouched) {
  const std::vector<BootSurvey> boots = {{{Pages(10, 10)}, {Pages(12, 20)}},
                                         {{Pages(5, 9), Pages(19, 1)}, {Pages(13, 9)}}};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto choice = ChooseFrame(boots, seed);
    ASSERT_TRUE(choice);
    EXPECT_TRUE(choice->frame.value == 13 * kPoisonGranule ||
                choice->frame.value == 19 * kPoisonGranule)
        << choice->frame.value;
    EXPECT_EQ(choice->free_frames, 5u);  // 10..13 and 19
    EXPECT_EQ(choice->candidates, 2u);
  }
}

TEST(ChooseFrame, DependsOnTheSeedAlone) {
  const std::vector<BootSurvey> boots = {{{Pages(0, 10'000)}, {Pages(0, 10'000)}}};
  EXPECT_EQ(ChooseFrame(boots, 7)->frame, ChooseFrame(boots, 7)->frame);
  EXPECT_NE(ChooseFrame(boots, 7)->frame, ChooseFrame(boots, 8)->frame);
}

TEST(ChooseFrame, SaysWhenNothingIsLeft) {
  EXPECT_FALSE(ChooseFrame({}, 1));
  EXPECT_EQ(ChooseFrame({{{Pages(1, 1)}, {Pages(2, 1)}}}, 1).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace seaward::lab
