#include "tests/lab/cases/lab_fixture.h"

#include <errno.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>

#include "tests/support/wait_until.h"

namespace seaward::lab {

std::unique_ptr<Lab> LabFixture::lab_;
int LabFixture::labs_ = 0;

// Says how poisoner and notifier ended, after the last case.
class EndOfLab : public ::testing::Environment {
 public:
  void TearDown() override {
    if (!LabFixture::lab_) return;
    const auto finished = LabFixture::lab_->Finish();
    EXPECT_TRUE(finished) << finished.error().Text();
    LabFixture::lab_.reset();
  }
};
[[maybe_unused]] const auto* const kEndOfLab = ::testing::AddGlobalTestEnvironment(new EndOfLab);

void LabFixture::StartLab() {
  const std::string number = ++labs_ == 1 ? "" : fmt::format("-{}", labs_);
  auto started = Lab::Start(
      std::string(SEAWARD_SOURCE_DIR) + "/build/lab/" + program_invocation_short_name + number,
      stdout, libvirt());
  ASSERT_TRUE(started) << started.error().Text();
  lab_ = std::move(*started);
}

void LabFixture::SetUp() {
  if (!lab_) {
    ASSERT_NO_FATAL_FAILURE(StartLab());
  }
  lab_->narrator().Chapter(::testing::UnitTest::GetInstance()->current_test_info()->name());
  console_begin_ = lab_->ConsoleSize();
}

void LabFixture::TearDown() {
  for (const auto& guest : guests_) EXPECT_TRUE(guest->Destroy()) << guest->name();
  guests_.clear();
  if (!lab_) return;
  for (const GuestPhysAddr page : poisoned_) EXPECT_TRUE(lab_->poison().Heal(page));
  if (notifier_is_special_ && !HasFailure()) WithNotifier({});
  if (!HasFailure()) return;
  std::printf("the guests said:\n%s\n", lab_->ConsoleText(console_begin_).c_str());
  lab_.reset();
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
  poisoned_.insert(victim->page);
  EXPECT_EQ(consumed->victim_signal, SIGBUS);
  EXPECT_TRUE(consumed->kernel_alive);
  EXPECT_GE(consumed->aborts, 1u);
  return *victim;
}

ExitRow LabFixture::Consume(NestedGuest& guest, const std::string& kind, const Access& how) {
  ExitRow row{.kind = kind};
  auto watch = ExitWatch::Begin(*lab_, guest.name());
  EXPECT_TRUE(watch) << watch.error().Text();
  auto victim = StartVictim(*lab_, guest, {.report_fault = true});
  EXPECT_TRUE(victim) << victim.error().Text();
  if (!watch || !victim) return row;
  victim_ = *victim;
  const auto bad = MakeBad(victim->page, victim->backing, how.poison);
  EXPECT_TRUE(bad) << bad.error().Text();
  if (!bad) return row;
  const auto felt = TouchUntilDead(guest, *victim, how.access);
  EXPECT_TRUE(felt) << felt.error().Text();
  if (how.has_agent && !how.poison.without_address) {
    EXPECT_TRUE(watch->WaitVerdict(victim->page));
  }
  auto seen = watch->Row(kind);
  EXPECT_TRUE(seen) << seen.error().Text();
  if (seen) row = *seen;
  if (felt) {
    EXPECT_EQ(felt->signal, SIGBUS) << "the guest's answer to poison in user memory";
    row.guest_esr = felt->esr;
    row.guest_far = felt->far;
    row.outcome = fmt::format("signal_{}", felt->signal);
  }
  Keep(row);
  return row;
}

Status LabFixture::MakeBad(GuestPhysAddr page, HostPhysAddr backing, const PoisonKind& kind) {
  auto bad = lab_->poison().Poison(page, backing, kind);
  if (bad) poisoned_.insert(page);
  return bad;
}

Status LabFixture::MakeBad(NestedGuest& guest, GuestPhysAddr page) {
  auto backing = guest.BackingOf(page);
  if (!backing) return Forward(backing);
  if (!*backing)
    return Fail(ErrorCode::kNotFound, "nobody has touched " + FormatAddress(page.value));
  return MakeBad(page, **backing);
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

void LabFixture::ExpectAllMemorySound(NestedGuest& guest, GuestPhysAddr page) {
  const std::uint64_t aborts = lab_->AbortsOn(page);
  auto handout = TakeAllMemory(*lab_, guest, page);
  ASSERT_TRUE(handout) << handout.error().Text();
  EXPECT_GT(handout->pages, 0u);
  EXPECT_EQ(lab_->AbortsOn(page), aborts);
}

void LabFixture::ExpectOtherBacking(NestedGuest& guest, GuestPhysAddr page, HostPhysAddr bad) {
  auto backing = guest.BackingOf(page);
  ASSERT_TRUE(backing) << backing.error().Text();
  EXPECT_NE(*backing, std::optional<HostPhysAddr>(bad));
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
  notifier_is_special_ = true;
  const auto restarted = lab_->RestartNotifier(plan);
  ASSERT_TRUE(restarted) << restarted.error().Text();
}

}  // namespace seaward::lab
