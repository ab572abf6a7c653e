// An Arm server in emulation: QEMU with EL2, a stock Debian kernel with KVM, and nothing in it that
// it would not have on a real machine, but our command server. One at a time per machine: it uses
// both cores.
//
// What leaves it while it runs: its console, the kernel's trace of external aborts, and the console
// of its guest, each as a file in the work folder.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/lab/host/lab_images.h"
#include "tests/lab/host/libvirt_places.h"
#include "tests/lab/host/transcript.h"
#include "tests/support/child_process.h"
#include "tests/support/guest_shell.h"
#include "tests/support/temp_dir.h"

namespace seaward::lab {

// Names of what is left in the work folder.
inline constexpr char kHostConsole[] = "host-console.log";
inline constexpr char kGuestConsole[] = "guest-console.log";
inline constexpr char kRawTrace[] = "trace.raw";
inline constexpr char kLedger[] = "ledger.db";

using Json = nlohmann::json;

class EmulatedHost {
 public:
  // Returns when the host's user space answers and its kernel counts aborts (StartObserver).
  // `transcript` outlives it.
  static Result<std::unique_ptr<EmulatedHost>> Start(const LabImages& images,
                                                     const std::string& work,
                                                     Transcript& transcript);
  EmulatedHost(const EmulatedHost&) = delete;
  EmulatedHost& operator=(const EmulatedHost&) = delete;

  // Runs a shell script in the host; its output. kIo with the output when it fails.
  Result<std::string> Shell(const std::string& script, std::chrono::milliseconds limit);
  // Starts a program there that stays; output goes to `log` (a path in the host).
  Result<pid_t> Spawn(const std::vector<std::string>& argv,
                      const std::vector<std::string>& environment, const std::string& log);
  Status WriteFile(const std::string& path, const std::string& text);
  // Copies a file of the host into the work folder under `name`.
  Status Fetch(const std::string& path, const std::string& name);
  // `uname -r`
  const std::string& kernel() const { return kernel_; }

  std::string WorkPath(const std::string& name) const { return work_ + "/" + name; }
  const LabImages& images() const { return images_; }
  // Of the libvirtd that runs there (StartLibvirtd).
  const LibvirtPlaces& libvirt() const { return PlacesOf(libvirt_mode_); }
  void SetLibvirtMode(LibvirtMode mode) { libvirt_mode_ = mode; }
  Transcript& transcript() { return transcript_; }
  testing::GuestShell& command_server() { return commands_; }
  // Names the host's RAM for other processes; without a name of its own, it goes with its users.
  std::string ram_file() const;
  std::string gdb_socket() const { return sockets_ / "gdb.sock"; }

 private:
  EmulatedHost(const LabImages& images, std::string work, Transcript& transcript)
      : images_(images),
        work_(std::move(work)),
        transcript_(transcript),
        commands_(sockets_ / "command.sock") {}
  std::vector<std::string> QemuWords() const;
  Status Boot();
  Status StartObserver();
  Status StreamTo(const std::string& port, const std::string& program);

  LabImages images_;
  std::string work_;
  Transcript& transcript_;
  testing::TempDir sockets_;  // their paths must be short
  UniqueFd ram_;
  std::string kernel_;
  LibvirtMode libvirt_mode_ = LibvirtMode::kSession;
  testing::ChildProcess qemu_;
  testing::GuestShell commands_;
};

}  // namespace seaward::lab
