// A guest whose memory is another one although it runs on: its state saved, put back, migrated.
#include <fstream>

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
    Status reported;
    // Right after it came the domain may not be known yet.
    EXPECT_TRUE(WaitUntil(
        [&] {
          reported = at.Report(page, "latent");
          return reported.has_value();
        },
        kPatience))
        << reported.error().Text() << at.Logs();
    const auto verdict = at.WaitForVerdict(page, guest().boot_id());
    EXPECT_TRUE(verdict && verdict->outcome == "retired") << at.Logs();
    EXPECT_TRUE(HasFlag(page, "HWPOISON"));
    return page;
  }
  std::string QemuPid() {
    std::ifstream in(guest().qemu_pid_path());
    std::string pid;
    in >> pid;
    return pid;
  }
  std::string image_;
  bool away_ = false;  // the guest does not run under the bench's libvirtd any more
};

TEST_F(IncarnationOfGuest, EndsWithASaveAndTheRestoredGuestBeginsAnother) {
  const GuestPhysAddr page = GoesBad(host());
  const std::string pid = QemuPid();
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

}  // namespace
}  // namespace seaward::testing
