// Every kind of external abort that seaward-poison makes, on real exits of a stock kernel: what the
// exit carried, what the guest's kernel told its process, what became of both. Each case leaves its
// row in build/lab/exits.json.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kQuestion{60};
// A guest whose kernel has just died does not answer; its console tells.
constexpr std::chrono::seconds kUntilSilent{10};

constexpr std::uint64_t kGpaValid = 1;

class ExitKindsTest : public LabFixture {
 protected:
  // One guest for all cases.
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LabFixture::SetUp());
    if (guest_) return;
    auto guest = NestedGuest::Create(lab_->host(), {.name = "guarded"});
    ASSERT_TRUE(guest) << guest.error().Text();
    guest_ = std::move(*guest);
    const auto up = guest_->WaitUp(kGuestUp);
    ASSERT_TRUE(up) << up.error().Text();
  }
  void TearDown() override {
    if (HasFailure()) guest_.reset();
    LabFixture::TearDown();
  }
  static void TearDownTestSuite() {
    guest_.reset();
    // After a case that failed the host is another one, which refused nothing.
    if (!lab_ || ::testing::UnitTest::GetInstance()->failed_test_count() > 0) return;
    const auto farewell = lab_->poison().Finish();
    ASSERT_TRUE(farewell) << farewell.error().Text();
    EXPECT_EQ(farewell->exit_code, 2) << "orders were refused, as the cases wanted";
    EXPECT_NE(farewell->last_line.find("patch_removed=true"), std::string::npos);
    lab_.reset();
  }

  ExitRow ConsumeHere(const std::string& name, const Access& how) {
    return Consume(*guest_, name, how);
  }
  void ExpectLocated(const ExitRow& row) const {
    EXPECT_EQ(row.flags, kGpaValid);
    EXPECT_EQ(row.gpa, victim_.page.value);
    EXPECT_EQ(row.located_by, "gpa");
    EXPECT_EQ(row.guest_far, row.gva);
    EXPECT_EQ(row.verdict, "retired");
    EXPECT_EQ(row.exits_observed, 1u);
  }

  // In a guest of its own, because its kernel reads its tables, too, when the process ends, and
  // dies of them. When it does so before the process walks (its reclaim looks at the tables of all
  // processes), another guest takes its place.
  void ExpectAWalkToAbortAt(int level);
  // Nullopt: the kernel's own read came first.
  std::optional<ExitRow> WalkBadTable(const std::string& name, int level);

  static std::unique_ptr<NestedGuest> guest_;
};
std::unique_ptr<NestedGuest> ExitKindsTest::guest_;

TEST_F(ExitKindsTest, ADataReadIsLocated) {
  const ExitRow row = ConsumeHere("data_read", {});
  EXPECT_EQ(row.esr, 0x92000010u);
  ExpectLocated(row);
}

TEST_F(ExitKindsTest, ADataWriteKeepsItsDirection) {
  const ExitRow row = ConsumeHere("data_write", {.access = "write"});
  EXPECT_EQ(row.esr, 0x92000050u);
  ExpectLocated(row);
}

TEST_F(ExitKindsTest, AnInstructionFetchIsAnInstructionAbort) {
  const ExitRow row = ConsumeHere("instruction_fetch", {.access = "execute"});
  EXPECT_EQ(row.esr, 0x82000010u);
  ExpectLocated(row);
}

TEST_F(ExitKindsTest, AnUncontainableErrorSaysSo) {
  const ExitRow row = ConsumeHere("uncontainable", {.poison = {.uncontainable = true}});
  EXPECT_EQ(row.esr, 0x92001010u);
  EXPECT_EQ(row.flags, kGpaValid);
}

TEST_F(ExitKindsTest, WithoutAnAddressTheExitHasNone) {
  const ExitRow row = ConsumeHere("fnv", {.poison = {.without_address = true}});
  EXPECT_EQ(row.esr, 0x92000410u);
  EXPECT_EQ(row.flags, 0u);
  EXPECT_EQ(row.gva, 0u);
  EXPECT_EQ(row.gpa, 0u);
  EXPECT_EQ(row.located_by, "none");
}

TEST_F(ExitKindsTest, FreshBackingIsSoundFromTheFirstAccessOn) {
  auto watch = ExitWatch::Begin(*lab_, "guarded");
  ASSERT_TRUE(watch);
  const auto victim = StartVictim(*lab_, *guest_, {});
  ASSERT_TRUE(victim) << victim.error().Text();
  ASSERT_TRUE(lab_->poison().Poison(victim->page, victim->backing));
  auto listed = lab_->poison().List();
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->bad, std::vector{victim->page});
  // The host's kernel moves the page's content to another host page.
  auto moved =
      lab_->host().Shell(fmt::format("echo {:#x} > /sys/devices/system/memory/soft_offline_page",
                                     victim->backing.value),
                         kQuestion);
  ASSERT_TRUE(moved) << moved.error().Text();
  const auto now = guest_->BackingOf(victim->page);
  ASSERT_TRUE(now);
  EXPECT_NE(*now, std::optional<HostPhysAddr>(victim->backing));
  auto touch = guest_->Ask("victim_touch", {{"pid", victim->pid}}, kQuestion);
  ASSERT_TRUE(touch) << touch.error().Text();
  EXPECT_EQ(touch->value("touch", ""), "intact");
  EXPECT_TRUE(watch->Aborts().empty());
  listed = lab_->poison().List();
  ASSERT_TRUE(listed);
  EXPECT_TRUE(listed->bad.empty());
  EXPECT_EQ(listed->lifted, std::vector{victim->page});
  EXPECT_TRUE(lab_->poison().Heal(victim->page));
}

TEST_F(ExitKindsTest, OtherGuestsUnmappedPagesAndGuestsThatAreGone) {
  const auto victim = StartVictim(*lab_, *guest_, {});
  ASSERT_TRUE(victim) << victim.error().Text();
  const auto unmapped = lab_->poison().Poison({victim->page.value ^ 0x1000}, victim->backing);
  ASSERT_FALSE(unmapped);
  EXPECT_NE(unmapped.error().Text().find("unmapped page"), std::string::npos);

  NestedGuest* other = StartGuest({.name = "other", .guarded = false});
  ASSERT_NE(other, nullptr);

  // The same address in another guest is another host page.
  auto watch = ExitWatch::Begin(*lab_, "guarded");
  ASSERT_TRUE(watch);
  ASSERT_TRUE(lab_->poison().Poison(victim->page, victim->backing));
  const Json wanted = Json::array({FormatAddress(victim->page.value)});
  auto hog = other->Ask("hog", {{"wanted", wanted}}, kGuestWork);
  ASSERT_TRUE(hog) << hog.error().Text();
  EXPECT_EQ(hog->at("found"), wanted) << "the other guest never had that address: nothing shown";
  EXPECT_TRUE(watch->Aborts().empty());
  const auto felt = TouchUntilDead(*guest_, *victim);
  ASSERT_TRUE(felt) << felt.error().Text();
  EXPECT_EQ(felt->signal, SIGBUS);
  EXPECT_TRUE(lab_->poison().Heal(victim->page));

  const auto theirs = StartVictim(*lab_, *other, {});
  ASSERT_TRUE(theirs) << theirs.error().Text();
  ASSERT_TRUE(lab_->poison().Poison(theirs->page, theirs->backing));
  ASSERT_TRUE(other->Destroy());
  guests_.clear();
  const auto listed = lab_->poison().List();
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->lifted, std::vector{theirs->page});
  const auto gone = lab_->poison().Poison(theirs->page, theirs->backing);
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().Text().find("guest gone"), std::string::npos) << gone.error().Text();
}

std::optional<ExitRow> ExitKindsTest::WalkBadTable(const std::string& name, int level) {
  NestedGuest* guest = StartGuest({.name = name});
  if (guest == nullptr) return ExitRow{};
  auto watch = ExitWatch::Begin(*lab_, name);
  const auto victim = StartVictim(*lab_, *guest, {.report_fault = true});
  const auto tables = victim ? lab_->poison().TablesOf(victim->page, victim->backing)
                             : Result<std::vector<GuestTable>>(std::vector<GuestTable>());
  EXPECT_TRUE(watch && victim && tables && tables->size() == 4) << "no tables to make bad";
  if (HasFailure()) return ExitRow{};
  const GuestTable& table = (*tables)[static_cast<std::size_t>(3 - level)];
  EXPECT_EQ(table.level, level);

  // The kernel kills a process for it with SIGKILL, and says why on its console alone.
  for (const auto& [path, text] : {std::pair{"/proc/sys/debug/exception-trace", "1"},
                                   std::pair{"/proc/sys/kernel/printk", "8"}})
    EXPECT_TRUE(guest->Ask("write", {{"path", path}, {"text", text}}, kQuestion));
  const std::size_t console = lab_->ConsoleSize();
  const auto bad = MakeBad(table.page, table.backing, {.table_level = level});
  EXPECT_TRUE(bad) << bad.error().Text();
  const auto felt = TouchUntilDead(*guest, *victim, "read", kUntilSilent);
  EXPECT_TRUE(testing::WaitUntil([&] { return !watch->Aborts().empty(); }, kQuestion));
  auto row = watch->Row(fmt::format("table_walk_level_{}", level));
  EXPECT_TRUE(row) << row.error().Text();
  if (HasFailure()) return ExitRow{};
  constexpr std::uint64_t kLocated = 0x10;
  if ((row->esr & 0x3f) == kLocated) return std::nullopt;
  testing::WaitUntil([&] { return lab_->Console(console).panics > 0; }, kUntilSilent);
  row->guest_esr = lab_->Console(console).first_esr;
  row->outcome = lab_->Console(console).panics > 0
                     ? "panic"
                     : fmt::format("signal_{}", felt ? felt->signal : 0);
  Keep(*row);
  EXPECT_EQ(watch->place(), table.page);
  return *row;
}

void ExitKindsTest::ExpectAWalkToAbortAt(int level) {
  constexpr int kGuests = 4;
  std::optional<ExitRow> row;
  for (int i = 0; i < kGuests && !row; ++i) {
    if (i > 0) {
      lab_->narrator().Say("the guest's kernel read the table first; another guest");
      EXPECT_TRUE(guests_.back()->Destroy());
      guests_.pop_back();
    }
    row = WalkBadTable(fmt::format("walk{}_{}", level, i), level);
    ASSERT_FALSE(HasFailure());
  }
  ASSERT_TRUE(row) << "the guests' kernels were always first";
  EXPECT_EQ(row->esr & 0x3f, 0x14u + static_cast<unsigned>(level));
  EXPECT_EQ(row->flags, 0u);
  EXPECT_EQ(row->gpa, 0u);
  EXPECT_EQ(row->located_by, "walk");
  ASSERT_TRUE(row->guest_esr);
  EXPECT_EQ(*row->guest_esr & 0x3f, row->esr & 0x3f);
}

TEST_F(ExitKindsTest, AWalkAbortsAtTheBadTableOfLevel3) {
  ExpectAWalkToAbortAt(3);
}
TEST_F(ExitKindsTest, AWalkAbortsAtTheBadTableOfLevel2) {
  ExpectAWalkToAbortAt(2);
}
TEST_F(ExitKindsTest, AWalkAbortsAtTheBadTableOfLevel1) {
  ExpectAWalkToAbortAt(1);
}
TEST_F(ExitKindsTest, AWalkAbortsAtTheBadTableOfLevel0) {
  ExpectAWalkToAbortAt(0);
}

}  // namespace
}  // namespace seaward::lab
