#include "guest-agent/retire/judge.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PageKind;

constexpr PageFlags kNone{};
const PageFlags kFree = kNone.With(PageFlag::kBuddy);
const PageFlags kAnonymous =
    kNone.With(PageFlag::kAnonymous).With(PageFlag::kLru).With(PageFlag::kMapped);
const PageFlags kSlab = kNone.With(PageFlag::kSlab);
const PageFlags kPageTable = kNone.With(PageFlag::kPageTable);
const PageFlags kText = kNone.With(PageFlag::kReserved);

PageFlags Poisoned(PageFlags flags) {
  return flags.With(PageFlag::kHwpoison);
}

TEST(Judge, VerbFollowsTheEvidence) {
  EXPECT_EQ(VerbFor(Evidence::kConsumed), Verb::kHard);
  EXPECT_EQ(VerbFor(Evidence::kLatent), Verb::kHard);
  EXPECT_EQ(VerbFor(Evidence::kPredicted), Verb::kSoft);
}

TEST(Judge, AnAcceptedFirstWriteIsRetirementWhenTheFlagShows) {
  EXPECT_EQ(Judge({.before = kFree, .after = Poisoned(kNone)}), Outcome::kRetired);
  EXPECT_EQ(Judge({.before = kAnonymous, .after = Poisoned(kNone)}), Outcome::kRetired);
  EXPECT_EQ(Judge({.before = kFree, .after = kFree}), Outcome::kFailed);
  EXPECT_EQ(Judge({.before = kFree, .after = Poisoned(kSlab)}), Outcome::kInKernel);
  EXPECT_EQ(Judge({}), Outcome::kRetired) << "no kpageflags: the write's word is all there is";
}

TEST(Judge, ARefusedPageOfTheKernelIsInKernelAlthoughFlagged) {
  for (const PageFlags flags : {kSlab, kPageTable, kText, kNone})
    EXPECT_EQ(Judge({.sys_errno = EBUSY, .before = flags, .after = Poisoned(flags)}),
              Outcome::kInKernel);
}

TEST(Judge, EhwpoisonNeverMakesAPageOfTheKernelRetired) {
  for (const PageFlags flags : {kSlab, kPageTable, kText}) {
    EXPECT_EQ(Judge({.sys_errno = EHWPOISON, .before = Poisoned(flags), .after = Poisoned(flags)}),
              Outcome::kInKernel);
  }
  // Our own first attempt met an allocation of the kernel that no flag tells from a caught page.
  EXPECT_EQ(Judge({.sys_errno = EHWPOISON,
                   .before = Poisoned(kNone),
                   .after = Poisoned(kNone),
                   .first_kind = PageKind::kUnknown}),
            Outcome::kInKernel);
}

TEST(Judge, EhwpoisonOnACaughtPageIsSomebodyElsesRetirementOrOurOwnLateOne) {
  Attempt attempt{.sys_errno = EHWPOISON,
                  .before = Poisoned(kNone),
                  .after = Poisoned(kNone),
                  .first_kind = {}};
  EXPECT_EQ(Judge(attempt), Outcome::kAlreadyRetired);
  attempt.first_kind = PageKind::kAnonymous;
  EXPECT_EQ(Judge(attempt), Outcome::kRetired);
  attempt.after = Poisoned(kAnonymous);
  EXPECT_EQ(Judge(attempt), Outcome::kDeferred) << "still mapped";
  attempt.after.reset();
  EXPECT_EQ(Judge(attempt), Outcome::kFailed) << "the flag alone proves nothing";
}

TEST(Judge, WhatMayPassIsDeferred) {
  for (const int refusal : {EBUSY, EAGAIN, EIO, ENOMEM, EINTR})
    EXPECT_EQ(Judge({.sys_errno = refusal, .before = kAnonymous, .after = kAnonymous}),
              Outcome::kDeferred)
        << refusal;
  EXPECT_EQ(Judge({.sys_errno = EBUSY, .before = kAnonymous, .after = Poisoned(kAnonymous)}),
            Outcome::kDeferred);
}

TEST(Judge, WhatCannotChangeHasFailed) {
  for (const int refusal : {EOPNOTSUPP, EPERM, EACCES, EINVAL})
    EXPECT_EQ(Judge({.sys_errno = refusal, .before = kFree, .after = kFree}), Outcome::kFailed)
        << refusal;
}

TEST(Judge, SoftRefusalOfAnUnhandlablePageIsInKernel) {
  EXPECT_EQ(
      Judge({.verb = Verb::kSoft, .sys_errno = ENOTRECOVERABLE, .before = kSlab, .after = kSlab}),
      Outcome::kInKernel);
  EXPECT_EQ(Judge({.verb = Verb::kSoft,
                   .sys_errno = ENOTRECOVERABLE,
                   .before = kAnonymous,
                   .after = kAnonymous}),
            Outcome::kDeferred);
}

}  // namespace
}  // namespace seaward::agent
