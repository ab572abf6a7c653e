// Every kind of external abort that seaward-poison makes, on real exits of a stock kernel: what the
// exit carried, what the guest's kernel told its process, what became of both. Each case leaves its
// row in build/lab/exits.json.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/lab/story/exit_watch.h"
#include "tests/lab/story/scenes.h"
#include "tests/support/test_images.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kQuestion{60};
// The abort needs a fresh look at the tables, which the emulation keeps for a while.
constexpr std::chrono::seconds kUntilAbort{120};
// A guest whose kernel has just died does not answer; its console tells.
constexpr std::chrono::seconds kUntilSilent{10};

constexpr std::uint64_t kGpaValid = 1;

struct VictimPage {
  pid_t pid = 0;
  GuestPhysAddr page;
  HostPhysAddr backing;
};

class ExitKindsTest : public ::testing::Test {
 public:
  // One emulated host for all cases, of both suites.
  static void EndLab() {
    delete guest_;
    delete lab_;
    delete error_;
  }

 protected:
  static void SetUpTestSuite() {
    if (lab_ != nullptr || error_ != nullptr) return;
    const std::string work = std::string(SEAWARD_SOURCE_DIR) + "/build/lab";
    auto started = Lab::Start(work, stdout);
    auto surveyed = started ? (*started)->SurveyFrames(std::random_device{}()) : Forward(started);
    if (!surveyed) {
      error_ = new Error(surveyed.error());
      return;
    }
    lab_ = started->release();
    guest_ = lab_->TakeGuarded().release();
  }
  void SetUp() override {
    ASSERT_NE(lab_, nullptr) << error_->Text();
    lab_->narrator().Chapter(::testing::UnitTest::GetInstance()->current_test_info()->name());
  }

  // A process in the guest with one page, and the host page behind it.
  VictimPage StartVictim(NestedGuest& guest) {
    VictimPage victim;
    auto started = guest.Ask("victim_start", {{"report_fault", true}}, kQuestion);
    EXPECT_TRUE(started) << started.error().Text();
    if (!started) return victim;
    victim.pid = started->at("pid").get<pid_t>();
    victim.page = {*ParseAddress(started->at("pages").at(0).get<std::string>())};
    auto backing = guest.BackingOf(victim.page);
    EXPECT_TRUE(backing && *backing);
    if (backing && *backing) victim.backing = **backing;
    return victim;
  }
  // What the process felt. A guest that is silent afterwards leaves no signal.
  struct Feeling {
    std::optional<std::uint64_t> esr, far;
    int signal = 0;
  };
  static Feeling TouchUntilDead(NestedGuest& guest, const VictimPage& victim,
                                const std::string& access) {
    Feeling felt;
    testing::WaitUntil(
        [&] {
          auto touch =
              guest.Ask("victim_touch", {{"pid", victim.pid}, {"access", access}}, kUntilSilent);
          if (touch && touch->contains("fault")) {
            felt.esr = *ParseAddress(touch->at("fault").at("esr").get<std::string>());
            felt.far = *ParseAddress(touch->at("fault").at("address").get<std::string>());
          }
          if (touch) felt.signal = touch->value("signal", 0);
          return !touch || touch->at("touch") == "died";
        },
        kUntilAbort);
    return felt;
  }
  static void Keep(const ExitRow& row) {
    const auto kept = MergeExitRow(lab_->host().WorkPath(kExitRows), row);
    EXPECT_TRUE(kept) << kept.error().Text();
    lab_->narrator().Say(ToJson(row).dump());
  }
  // A process touches its bad page; the row of what came of it.
  ExitRow Consume(const std::string& name, const PoisonKind& kind, const std::string& access) {
    ExitRow row{.kind = name};
    auto watch = ExitWatch::Begin(*lab_, "guarded");
    EXPECT_TRUE(watch) << watch.error().Text();
    const VictimPage victim = StartVictim(*guest_);
    const auto bad = lab_->poison().Poison(victim.page, victim.backing, kind);
    EXPECT_TRUE(bad) << bad.error().Text();
    if (!watch || !bad) return row;
    const Feeling felt = TouchUntilDead(*guest_, victim, access);
    EXPECT_EQ(felt.signal, SIGBUS);
    if (!kind.without_address) {
      EXPECT_TRUE(watch->WaitVerdict(victim.page));
    }
    auto seen = watch->Row(name);
    EXPECT_TRUE(seen) << seen.error().Text();
    if (seen) row = *seen;
    row.guest_esr = felt.esr;
    row.guest_far = felt.far;
    row.outcome = fmt::format("signal_{}", felt.signal);
    EXPECT_TRUE(lab_->poison().Heal(victim.page));
    Keep(row);
    page_ = victim.page;
    return row;
  }
  void ExpectLocated(const ExitRow& row) const {
    EXPECT_EQ(row.flags, kGpaValid);
    EXPECT_EQ(row.gpa, page_.value);
    EXPECT_EQ(row.located_by, "gpa");
    EXPECT_EQ(row.guest_far, row.gva);
    EXPECT_EQ(row.verdict, "retired");
    EXPECT_EQ(row.exits_observed, 1u);
  }

  static Lab* lab_;
  static Error* error_;
  static NestedGuest* guest_;
  GuestPhysAddr page_;
};
Lab* ExitKindsTest::lab_ = nullptr;
Error* ExitKindsTest::error_ = nullptr;
NestedGuest* ExitKindsTest::guest_ = nullptr;

TEST_F(ExitKindsTest, ADataReadIsLocated) {
  const ExitRow row = Consume("data_read", {}, "read");
  EXPECT_EQ(row.esr, 0x92000010u);
  ExpectLocated(row);
}

TEST_F(ExitKindsTest, ADataWriteKeepsItsDirection) {
  const ExitRow row = Consume("data_write", {}, "write");
  EXPECT_EQ(row.esr, 0x92000050u);
  ExpectLocated(row);
}

TEST_F(ExitKindsTest, AnInstructionFetchIsAnInstructionAbort) {
  const ExitRow row = Consume("instruction_fetch", {}, "execute");
  EXPECT_EQ(row.esr, 0x82000010u);
  ExpectLocated(row);
}

TEST_F(ExitKindsTest, AnUncontainableErrorSaysSo) {
  const ExitRow row = Consume("uncontainable", {.uncontainable = true}, "read");
  EXPECT_EQ(row.esr, 0x92001010u);
  EXPECT_EQ(row.flags, kGpaValid);
}

TEST_F(ExitKindsTest, WithoutAnAddressTheExitHasNone) {
  const ExitRow row = Consume("fnv", {.without_address = true}, "read");
  EXPECT_EQ(row.esr, 0x92000410u);
  EXPECT_EQ(row.flags, 0u);
  EXPECT_EQ(row.gva, 0u);
  EXPECT_EQ(row.gpa, 0u);
  EXPECT_EQ(row.located_by, "none");
}

TEST_F(ExitKindsTest, FreshBackingIsSoundFromTheFirstAccessOn) {
  auto watch = ExitWatch::Begin(*lab_, "guarded");
  ASSERT_TRUE(watch);
  const VictimPage victim = StartVictim(*guest_);
  ASSERT_TRUE(lab_->poison().Poison(victim.page, victim.backing));
  auto listed = lab_->poison().List();
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->bad, std::vector{victim.page});
  // The host's kernel moves the page's content to another host page.
  auto moved =
      lab_->host().Shell(fmt::format("echo {:#x} > /sys/devices/system/memory/soft_offline_page",
                                     victim.backing.value),
                         kQuestion);
  ASSERT_TRUE(moved) << moved.error().Text();
  const auto now = guest_->BackingOf(victim.page);
  ASSERT_TRUE(now);
  EXPECT_NE(*now, std::optional(victim.backing));
  auto touch = guest_->Ask("victim_touch", {{"pid", victim.pid}}, kQuestion);
  ASSERT_TRUE(touch) << touch.error().Text();
  EXPECT_EQ(touch->value("touch", ""), "intact");
  EXPECT_TRUE(watch->Aborts().empty());
  listed = lab_->poison().List();
  ASSERT_TRUE(listed);
  EXPECT_TRUE(listed->bad.empty());
  EXPECT_EQ(listed->lifted, std::vector{victim.page});
  EXPECT_TRUE(lab_->poison().Heal(victim.page));
}

TEST_F(ExitKindsTest, OtherGuestsUnmappedPagesAndGuestsThatAreGone) {
  const VictimPage victim = StartVictim(*guest_);
  const auto unmapped = lab_->poison().Poison({victim.page.value ^ 0x1000}, victim.backing);
  ASSERT_FALSE(unmapped);
  EXPECT_NE(unmapped.error().Text().find("unmapped page"), std::string::npos);

  const auto other = lab_->TakeControl();
  ASSERT_TRUE(other->Resume());

  // The same address in another guest is another host page.
  auto watch = ExitWatch::Begin(*lab_, "guarded");
  ASSERT_TRUE(watch);
  ASSERT_TRUE(lab_->poison().Poison(victim.page, victim.backing));
  const Json wanted = Json::array({FormatAddress(victim.page.value)});
  auto hog = other->Ask("hog", {{"wanted", wanted}}, kGuestWork);
  ASSERT_TRUE(hog) << hog.error().Text();
  EXPECT_EQ(hog->at("found"), wanted) << "the other guest never had that address: nothing shown";
  EXPECT_TRUE(watch->Aborts().empty());
  EXPECT_EQ(TouchUntilDead(*guest_, victim, "read").signal, SIGBUS);
  EXPECT_TRUE(lab_->poison().Heal(victim.page));

  const VictimPage theirs = StartVictim(*other);
  ASSERT_TRUE(lab_->poison().Poison(theirs.page, theirs.backing));
  ASSERT_TRUE(other->Destroy());
  const auto listed = lab_->poison().List();
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->lifted, std::vector{theirs.page});
  const auto gone = lab_->poison().Poison(theirs.page, theirs.backing);
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().Text().find("guest gone"), std::string::npos) << gone.error().Text();
}

// The guest's kernel reads its own tables, too, when the process ends: it dies of them. So each
// level has a guest of its own.
class TableWalkTest : public ExitKindsTest, public ::testing::WithParamInterface<int> {};

TEST_P(TableWalkTest, AbortsAtTheLevelOfTheBadTable) {
  const int level = GetParam();
  const std::string name = fmt::format("walk{}", level);
  auto guest = NestedGuest::Create(lab_->host(), {.name = name});
  ASSERT_TRUE(guest) << guest.error().Text();
  const auto up = (*guest)->WaitUp(kGuestUp);
  ASSERT_TRUE(up) << up.error().Text();
  auto watch = ExitWatch::Begin(*lab_, name);
  ASSERT_TRUE(watch) << watch.error().Text();
  const VictimPage victim = StartVictim(**guest);
  const auto tables = lab_->poison().TablesOf(victim.page, victim.backing);
  ASSERT_TRUE(tables) << tables.error().Text();
  ASSERT_EQ(tables->size(), 4u);
  const GuestTable& table = (*tables)[static_cast<std::size_t>(3 - level)];
  ASSERT_EQ(table.level, level);

  // The kernel kills a process for it with SIGKILL, and says why on its console alone.
  for (const auto& [path, text] : {std::pair{"/proc/sys/debug/exception-trace", "1"},
                                   std::pair{"/proc/sys/kernel/printk", "8"}})
    ASSERT_TRUE((*guest)->Ask("write", {{"path", path}, {"text", text}}, kQuestion));
  const std::size_t console = lab_->ConsoleSize();
  const auto bad = lab_->poison().Poison(table.page, table.backing, {.table_level = level});
  ASSERT_TRUE(bad) << bad.error().Text();
  const Feeling felt = TouchUntilDead(**guest, victim, "read");
  ASSERT_TRUE(testing::WaitUntil([&] { return !watch->Aborts().empty(); }, kQuestion));
  auto row = watch->Row(fmt::format("table_walk_level_{}", level));
  ASSERT_TRUE(row) << row.error().Text();
  testing::WaitUntil([&] { return lab_->Console(console).panics > 0; }, kUntilSilent);
  row->guest_esr = lab_->Console(console).first_esr;
  row->outcome =
      lab_->Console(console).panics > 0 ? "panic" : fmt::format("signal_{}", felt.signal);
  Keep(*row);
  EXPECT_EQ(row->esr & 0x3f, 0x14u + static_cast<unsigned>(level));
  EXPECT_EQ(row->flags, 0u);
  EXPECT_EQ(row->gpa, 0u);
  EXPECT_EQ(row->located_by, "walk");
  EXPECT_EQ(watch->place(), table.page);
  ASSERT_TRUE(row->guest_esr);
  EXPECT_EQ(*row->guest_esr & 0x3f, row->esr & 0x3f);
  EXPECT_TRUE(lab_->poison().Heal(table.page));
  EXPECT_TRUE((*guest)->Destroy());
}
INSTANTIATE_TEST_SUITE_P(Levels, TableWalkTest, ::testing::Values(3, 2, 1, 0));

}  // namespace
}  // namespace seaward::lab

int main(int argc, char** argv) {
  // The one permitted skip, in the words of the package tool.
  const auto images = seaward::testing::FindGuestImages();
  if (!images && images.error().code == seaward::ErrorCode::kUnsupported) {
    std::printf("SEAWARD-SKIP: %s\n", images.error().Text().c_str());
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  seaward::lab::ExitKindsTest::EndLab();
  return result;
}
