// What /init does for a test guest, and how a test ends a boot.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "tests/support/testd/bare_loop.h"

namespace seaward::testd {

// What the kernel command line asks for; everything else is the same in every guest, so that a
// control guest differs from the guarded one by one word.
struct BootWishes {
  bool early = false;   // seaward.early=1: run `seaward-agent early` first of all
  bool agent = false;   // seaward.agent=1: start `seaward-agent run`
  bool frames = false;  // seaward.frames=1: note which frames are free before anything else runs
  std::optional<BareList> bare;             // seaward.bare=FIRST:STEP:COUNT: retired by a bare loop
  std::string port = "org.seaward.test.0";  // seaward.test_port=NAME
};
BootWishes ParseBootWishes(const std::string& command_line);

// Mounts proc, sys, dev, run, tmp and puts stdio on the console. Only for process 1.
Status PrepareMachine();
// The firmware's variables, before the early stage as an initramfs would, when UEFI booted the
// machine. Once the modules are loaded: efivarfs may be one.
Status MountVariables();

// Makes the folder; a folder that has something mounted already is fine.
Status Mount(const std::string& type, const std::string& source, const std::string& folder);

// The daemon, its output on the console; its pid.
Result<pid_t> StartAgent();
// The early stage, waited for; its exit code and its output.
Result<int> RunEarlyStage(std::string& output);

// One key of sysrq: 'b' boots at once without sync, 'c' panics.
Status PressSysrq(char key);
// The orderly ways out.
Status Reboot();
Status PowerOff();

}  // namespace seaward::testd
