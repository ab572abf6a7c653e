// A guest whose memory is another one although it runs on: its state saved, put back, migrated.
#include <algorithm>

#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

class IncarnationOfGuest : public GuardedGuest {
 protected:
  void SetUp() override {
    UseMachines(bench->GuardedThroughLibvirt());
    image_ = bench->libvirtd().folder() + "/rt/guest.save";
  }
  void TearDown() override {
    GuardedGuest::TearDown();
    if (away_) bench->Discard();
  }
  // Retired by the guest; what the notifier `at` knows of it.
  GuestPhysAddr GoesBad(NotifierHost& at) {
    const GuestPhysAddr page = FreePage();
    // Right after it came the domain may not be known yet.
    const auto reported = at.ReportOnceKnown(page, "latent");
    EXPECT_TRUE(reported) << reported.error().Text() << at.Logs();
    const auto verdict = at.WaitForVerdict(page, guest().boot_id());
    EXPECT_TRUE(verdict && verdict->outcome == "retired") << at.Logs();
    EXPECT_TRUE(HasFlag(page, "HWPOISON"));
    return page;
  }
  // 0: none
  pid_t QemuPid() { return guest().QemuPid().value_or(0); }
  std::string image_;
  bool away_ = false;  // the guest does not run under the bench's libvirtd any more
};

TEST_F(IncarnationOfGuest, EndsWithASaveAndTheRestoredGuestBeginsAnother) {
  const GuestPhysAddr page = GoesBad(host());
  const pid_t pid = QemuPid();
  auto done = guest().Save(image_);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  ASSERT_TRUE(host().WaitForLife(page, "closed")) << host().Logs();
  done = guest().Restore(image_);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  ASSERT_NE(pid, QemuPid());
  EXPECT_TRUE(HasFlag(page, "HWPOISON")) << "the guest's kernel remembers, its memory is good";

  const GuestPhysAddr fresh = GoesBad(host());
  done = guest().Reset();
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  ExpectRetiredOnce(fresh);  // the replay is over
  EXPECT_FALSE(HasFlag(page, "HWPOISON")) << "good memory, in use again";
  EXPECT_EQ("closed", RowAt(page).life);
}

TEST_F(IncarnationOfGuest, IsNotWhatARevertedGuestRunsIn) {
  auto done = guest().Save(image_);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  done = guest().Restore(image_);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  const GuestPhysAddr page = GoesBad(host());

  guest().Destroy();
  ASSERT_TRUE(host().WaitForLife(page, "closed")) << host().Logs();
  done = guest().Restore(image_);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  const GuestPhysAddr witness = GoesBad(host());
  ASSERT_NE(witness, page);
  EXPECT_FALSE(HasFlag(page, "HWPOISON")) << "this state never knew of it, and need not";
  EXPECT_EQ("closed", RowAt(page).life);
}

TEST_F(IncarnationOfGuest, StaysBehindWhenTheGuestMigrates) {
  auto other_host = PrivateLibvirtd::Start();
  ASSERT_TRUE(other_host.has_value()) << other_host.error().Text();
  NotifierHost other({.vm = guest().plan().uuid,
                      .vm_name = guest().plan().name,
                      .channel = {},
                      .libvirt_uri = (*other_host)->uri(),
                      .libvirt_status_dir = (*other_host)->status_dir()});
  ASSERT_TRUE(other.StartNotifier().has_value()) << other.Logs();
  const GuestPhysAddr page = GoesBad(host());

  away_ = true;
  const Status moved = guest().MigrateTo(**other_host);
  ASSERT_TRUE(moved.has_value()) << moved.error().Text();
  EXPECT_TRUE(host().WaitForLife(page, "closed")) << host().Logs();
  const GuestPhysAddr fresh = GoesBad(other);
  EXPECT_TRUE(other.PagesAt(page).value().empty()) << "bad memory does not travel";

  const auto booted = guest().Reset();
  ASSERT_TRUE(booted.has_value()) << booted.error().Text();
  const auto again = other.WaitForVerdict(fresh, guest().boot_id());
  ASSERT_TRUE(again.has_value()) << again.error().Text();
  EXPECT_EQ("early", again->stage);
  EXPECT_TRUE(HasFlag(fresh, "HWPOISON"));
  EXPECT_FALSE(HasFlag(page, "HWPOISON")) << "good memory there";
}

// Machines of its own: the notifier knows that its memory is the same in every process, and it has
// a disk for QEMU's snapshots.
class GuestOfItsOwn : public ::testing::Test {
 protected:
  void SetUp() override {
    auto libvirtd = PrivateLibvirtd::Start();
    ASSERT_TRUE(libvirtd.has_value()) << libvirtd.error().Text();
    libvirtd_ = std::move(*libvirtd);
    host_.emplace(HostPlan{.vm = plan_.uuid,
                           .vm_name = plan_.name,
                           .channel = {},
                           .libvirt_uri = libvirtd_->uri(),
                           .libvirt_status_dir = libvirtd_->status_dir(),
                           .more_config = "fixed_backing: [pmem-*]\n"});
    const Status started = host_->StartNotifier();
    ASSERT_TRUE(started.has_value()) << started.error().Text();
    StartGuest();
  }
  void StartGuest() {
    const auto images = FindGuestImages();
    ASSERT_TRUE(images.has_value()) << images.error().Text();
    auto guest = TcgGuest::Start(*libvirtd_, *images, plan_);
    ASSERT_TRUE(guest.has_value()) << guest.error().Text();
    guest_ = std::move(*guest);
  }
  GuestPhysAddr GoesBad() {
    const GuestPhysAddr page = guest_->PickFreePage().value();
    EXPECT_TRUE(host_->ReportOnceKnown(page, "latent")) << host_->Logs();
    EXPECT_TRUE(IsPoisoned(page)) << host_->Logs();
    return page;
  }
  // In the guest's kernel, within the time that a message takes.
  bool IsPoisoned(GuestPhysAddr page) {
    return WaitUntil(
        [&] {
          const auto flags = guest_->FrameFlags(page);
          return flags && std::ranges::find(*flags, "HWPOISON") != flags->end();
        },
        kPatience);
  }

  const GuestPlan plan_{.name = "pmem-guest", .uuid = RandomUuid(), .snapshot_disk = true};
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  std::optional<NotifierHost> host_;
  std::unique_ptr<TcgGuest> guest_;
};

TEST_F(GuestOfItsOwn, IsToldAgainAfterASnapshotThatNeverKnew) {
  auto printed = guest_->AskMonitor("savevm before");
  ASSERT_TRUE(printed.has_value()) << printed.error().Text();
  ASSERT_EQ("", *printed);
  const GuestPhysAddr page = GoesBad();
  printed = guest_->AskMonitor("loadvm before");
  ASSERT_TRUE(printed.has_value()) << printed.error().Text();
  ASSERT_EQ("", *printed);
  EXPECT_TRUE(IsPoisoned(page)) << host_->Logs();
  EXPECT_EQ(1U, host_->PagesAt(page).value().size()) << "the same memory, the same page";
}

TEST_F(GuestOfItsOwn, CarriesItsPagesIntoANewProcessWhereTheMemoryIsFixed) {
  const GuestPhysAddr page = GoesBad();
  const std::string boot = guest_->boot_id();
  guest_.reset();
  StartGuest();
  ASSERT_NE(boot, guest_->boot_id());
  const auto verdict = host_->WaitForVerdict(page, guest_->boot_id());
  ASSERT_TRUE(verdict.has_value()) << verdict.error().Text();
  EXPECT_EQ("retired", verdict->outcome);
  EXPECT_EQ("early", verdict->stage) << "before anything of the guest could use it";
  EXPECT_TRUE(IsPoisoned(page));
}

}  // namespace
}  // namespace seaward::testing
