// A guest that UEFI boots; its ESP is mounted at /boot/efi. What runs before its kernel is the
// case's to install.
#pragma once

#include <string>
#include <vector>

#include "tests/guest/hosted_guest.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_images.h"

namespace seaward::testing {

class UefiGuest : public HostedGuest {
 public:
  // main: finds the images, runs every case; --machine=x86-64 as the first word: on that machine.
  static int RunAll(int argc, char** argv);

 protected:
  static GuestImages images;

  // What a case may wish otherwise; its name and machine are ours.
  static GuestPlan DefaultPlan();
  // `loader` as make-boot-disk takes it; none: QEMU hands the kernel to the firmware, or, with
  // plan.uefi false, boots it without any.
  void Boots(const std::string& loader, GuestPlan plan = DefaultPlan());

  // The daemon's list in its state folder follows the verdicts by a second.
  void AwaitListWith(GuestPhysAddr page);
  // `seaward-agent WORDS...` in the guest; what it printed. Fails the case on another exit code.
  std::string Agent(std::vector<std::string> words, int exit_code = 0);

  // What the early stage printed.
  std::string EarlyStageSaid();
  void ExpectKeptFromTheKernel(GuestPhysAddr page);
  void ExpectRetiredByTheEarlyStage(GuestPhysAddr page);

 private:
  void Settle() override;  // mounts the ESP

  TempDir dir_;
};

}  // namespace seaward::testing
