// A guest that UEFI boots, guarded by our notifier with a publisher as its VMM; its ESP is mounted
// at /boot/efi. What runs before its kernel is the case's to install.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/support/notifier_host.h"
#include "tests/support/tcg_guest.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_images.h"

namespace seaward::testing {

class UefiGuest : public ::testing::Test {
 public:
  // main: finds the images, runs every case; --machine=x86-64 as the first word: on that machine.
  static int RunAll(int argc, char** argv);

 protected:
  static GuestImages images;

  void TearDown() override;  // after a failure: the console

  // What a case may wish otherwise; its name and machine are ours.
  static GuestPlan DefaultPlan();
  // `loader` as make-boot-disk takes it; none: QEMU hands the kernel to the firmware, or, with
  // plan.uefi false, boots it without any.
  void Boots(const std::string& loader, GuestPlan plan = DefaultPlan());
  void Reboots();
  void PowerCycles(const TcgGuest::NextLife& next);

  // A free page that the host called bad and the guest retired.
  GuestPhysAddr RetiredPage();
  // The daemon's list in its state folder follows the verdicts by a second.
  void AwaitListWith(GuestPhysAddr page);
  // `seaward-agent WORDS...` in the guest; what it printed. Fails the case on another exit code.
  std::string Agent(std::vector<std::string> words, int exit_code = 0);

  bool InSystemRam(GuestPhysAddr page);
  bool HasFlag(GuestPhysAddr page, const std::string& flag);
  // What this boot's agents said of the page to the host.
  LedgerPage Verdict(GuestPhysAddr page);
  // What the early stage printed.
  std::string EarlyStageSaid();
  void ExpectKeptFromTheKernel(GuestPhysAddr page);
  void ExpectRetiredByTheEarlyStage(GuestPhysAddr page);

  TcgGuest& guest() { return *guest_; }
  NotifierHost& host() { return *host_; }

 private:
  void MountEsp();

  TempDir dir_;
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  std::optional<NotifierHost> host_;
  std::unique_ptr<TcgGuest> guest_;
};

}  // namespace seaward::testing
