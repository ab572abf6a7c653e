#include "host-notifier/session/verdict_map.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <optional>

namespace seaward::session {
namespace {

using protocol::Outcome;

ByteRange Pages(std::uint64_t first, std::uint64_t count) {
  return ByteRange::Make(GuestPhysAddr{first * kPoisonGranule}, count * kPoisonGranule).value();
}

// The same rule, page by page.
class Model {
 public:
  Word Apply(std::uint64_t first, std::uint64_t count, Outcome outcome) {
    bool repeated = true;
    for (std::uint64_t page = first; page < first + count; ++page) {
      const auto& said = pages_[page];
      if (said && *said != outcome && *said != Outcome::kDeferred &&
          !(*said == Outcome::kInKernel && outcome == Outcome::kRetired) &&
          !(*said == Outcome::kRetired && outcome != Outcome::kRetired))
        return Word::kContradiction;
      repeated = repeated && said == outcome;
    }
    for (std::uint64_t page = first; page < first + count; ++page) pages_[page] = outcome;
    return repeated ? Word::kRepeated : Word::kNews;
  }
  bool Covers(std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t page = first; page < first + count; ++page)
      if (!pages_[page]) return false;
    return true;
  }
  std::size_t Pieces() const {
    std::size_t pieces = 0;
    for (std::size_t page = 0; page < pages_.size(); ++page)
      if (pages_[page] && (page == 0 || pages_[page - 1] != pages_[page])) ++pieces;
    return pieces;
  }

 private:
  std::array<std::optional<Outcome>, 40> pages_;
};

RC_GTEST_PROP(VerdictMap, AgreesWithAPageByPageModel, ()) {
  VerdictMap map;
  Model model;
  const auto steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, 32);
    const auto count = *rc::gen::inRange<std::uint64_t>(1, 8);
    const auto outcome = *rc::gen::element(Outcome::kRetired, Outcome::kDeferred,
                                           Outcome::kDeferred, Outcome::kInKernel);
    RC_ASSERT(map.Apply(Pages(first, count), outcome) == model.Apply(first, count, outcome));
    RC_ASSERT(map.pieces() == model.Pieces());
    RC_ASSERT(map.Covers(Pages(first, count)) == model.Covers(first, count));
    RC_ASSERT(map.Covers(Pages(0, 40)) == model.Covers(0, 40));
  }
}

TEST(VerdictMap, ADeferralMayBeFollowedByAnyWord) {
  VerdictMap map;
  EXPECT_EQ(map.Apply(Pages(0, 4), Outcome::kDeferred), Word::kNews);
  EXPECT_TRUE(map.AnyDeferred());
  EXPECT_EQ(map.Apply(Pages(0, 4), Outcome::kRetired), Word::kNews);
  EXPECT_FALSE(map.AnyDeferred());
  EXPECT_EQ(map.Apply(Pages(1, 1), Outcome::kFailed), Word::kContradiction);
  EXPECT_EQ(map.Apply(Pages(1, 1), Outcome::kRetired), Word::kRepeated);
  EXPECT_EQ(map.pieces(), 1u);
}

TEST(VerdictMap, APageMayLeaveTheKernelAndTheKernelMayForget) {
  VerdictMap map;
  EXPECT_EQ(map.Apply(Pages(0, 1), Outcome::kInKernel), Word::kNews);
  EXPECT_EQ(map.Apply(Pages(0, 1), Outcome::kFailed), Word::kContradiction);
  EXPECT_EQ(map.Apply(Pages(0, 1), Outcome::kRetired), Word::kNews);
  EXPECT_EQ(map.Apply(Pages(0, 1), Outcome::kDeferred), Word::kNews);
  EXPECT_TRUE(map.AnyDeferred());
}

TEST(VerdictMap, WhatNeverWasMemoryAndWhatFailedStays) {
  for (const Outcome final : {Outcome::kNotRam, Outcome::kFailed, Outcome::kBudgetExceeded,
                              Outcome::kExcludedBeforeBoot}) {
    VerdictMap map;
    EXPECT_EQ(map.Apply(Pages(0, 1), final), Word::kNews);
    for (const Outcome later : {Outcome::kRetired, Outcome::kDeferred, Outcome::kInKernel})
      EXPECT_EQ(map.Apply(Pages(0, 1), later), Word::kContradiction);
  }
}

}  // namespace
}  // namespace seaward::session
