#include "tests/lab/cases/lab_fixture.h"

#include <signal.h>

#include <cstdio>

#include "tests/support/test_images.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {

namespace {

// From an exit to what the notifier knows in the end; milliseconds on hardware.
constexpr std::chrono::seconds kSettles{120};

}  // namespace

std::unique_ptr<Lab> LabFixture::lab_;

void LabFixture::SetUpTestSuite() {
  const char* suite = ::testing::UnitTest::GetInstance()->current_test_suite()->name();
  auto started = Lab::Start(std::string(SEAWARD_SOURCE_DIR) + "/build/lab/" + suite, stdout);
  ASSERT_TRUE(started) << started.error().Text();
  lab_ = std::move(*started);
}

void LabFixture::TearDownTestSuite() {
  if (!lab_) return;
  const auto finished = lab_->Finish();
  EXPECT_TRUE(finished) << finished.error().Text();
  lab_.reset();
}

void LabFixture::SetUp() {
  ASSERT_NE(lab_, nullptr) << "no emulated host";
  lab_->narrator().Chapter(::testing::UnitTest::GetInstance()->current_test_info()->name());
}

void LabFixture::TearDown() {
  for (const auto& guest : guests_) EXPECT_TRUE(guest->Destroy()) << guest->name();
  for (const GuestPhysAddr page : poisoned_) EXPECT_TRUE(lab_->poison().Heal(page));
}

NestedGuest* LabFixture::StartGuest(const GuestPlan& plan) {
  auto guest = NestedGuest::Create(lab_->host(), plan);
  EXPECT_TRUE(guest) << guest.error().Text();
  if (!guest) return nullptr;
  guests_.push_back(std::move(*guest));
  const auto up = guests_.back()->WaitUp(kGuestUp);
  EXPECT_TRUE(up) << up.error().Text();
  if (!up) return nullptr;
  lab_->narrator().Say("guest " + plan.name + " is up");
  return guests_.back().get();
}

std::optional<Victim> LabFixture::ConsumeOnce(NestedGuest& guest) {
  auto victim = StartVictim(*lab_, guest, {});
  EXPECT_TRUE(victim) << victim.error().Text();
  if (!victim) return std::nullopt;
  auto consumed = ConsumePoison(*lab_, guest, *victim);
  EXPECT_TRUE(consumed) << consumed.error().Text();
  if (!consumed) return std::nullopt;
  poisoned_.push_back(victim->page);
  EXPECT_EQ(consumed->victim_signal, SIGBUS);
  EXPECT_TRUE(consumed->kernel_alive);
  EXPECT_GE(consumed->aborts, 1u);
  return *victim;
}

Status LabFixture::MakeBad(NestedGuest& guest, GuestPhysAddr page, const PoisonKind& kind) {
  auto backing = guest.BackingOf(page);
  if (!backing) return Forward(backing);
  if (!*backing)
    return Fail(ErrorCode::kNotFound, "nobody has touched " + FormatAddress(page.value));
  auto bad = lab_->poison().Poison(page, **backing, kind);
  if (bad) poisoned_.push_back(page);
  return bad;
}

void LabFixture::Keep(const ExitRow& row) {
  const auto kept = MergeExitRow(std::string(SEAWARD_SOURCE_DIR) + "/build/lab/" + kExitRows, row);
  EXPECT_TRUE(kept) << kept.error().Text();
  lab_->narrator().Say(ToJson(row).dump());
}

Json LabFixture::PageOf(const NestedGuest& guest) {
  auto status = lab_->Seawardctl("status --vm " + guest.name());
  EXPECT_TRUE(status) << status.error().Text();
  if (!status) return nullptr;
  const Json& pages = status->at("vms").at(0).at("pages");
  return pages.size() == 1 ? pages.at(0) : Json();
}

Json LabFixture::ExpectPage(const NestedGuest& guest, const char* key, const Json& value) {
  Json page;
  const auto is = [&] {
    page = PageOf(guest);
    return page.is_object() && page.at(key) == value;
  };
  EXPECT_TRUE(testing::WaitUntil(is, kSettles)) << key << ": " << page.dump(1);
  return page;
}

HostPhysAddr LabFixture::RecordedFrame(const Json& page) {
  if (!page.is_object() || !page.at("host_frame").is_string()) {
    ADD_FAILURE() << "no frame recorded: " << page.dump(1);
    return {};
  }
  const auto number = ParseAddress(page.at("host_frame").get<std::string>());
  EXPECT_TRUE(number) << page.dump(1);
  return {number ? *number * kPoisonGranule : 0};
}

bool LabFixture::IsGivenToAnybodyInTheHost(HostPhysAddr frame) {
  auto handout = TakeAllHostMemory(*lab_, frame);
  EXPECT_TRUE(handout) << handout.error().Text();
  return handout && handout->bad_frame_given;
}

void LabFixture::WithNotifier(const NotifierPlan& plan) {
  const auto restarted = lab_->RestartNotifier(plan);
  ASSERT_TRUE(restarted) << restarted.error().Text();
}

bool MustSkip() {
  const auto images = seaward::testing::FindGuestImages();
  if (images || images.error().code != ErrorCode::kUnsupported) return false;
  std::printf("SEAWARD-SKIP: %s\n", images.error().Text().c_str());
  return true;
}

}  // namespace seaward::lab
