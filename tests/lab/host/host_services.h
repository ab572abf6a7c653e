// What an operator would run on the emulated host: libvirtd and seaward-notifier (as root). Shell
// scripts here, because that is what an operator would type.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/host/emulated_host.h"

namespace seaward::lab {

// Paths in the emulated host.
inline constexpr char kAttachSocket[] = "/run/seaward/attach.sock";
inline constexpr char kNotifierLog[] = "/run/notifier.log";

// Returns when libvirtd answers. Uses what an earlier run learned about QEMU, when it is there.
Status StartLibvirtd(EmulatedHost& host, LibvirtMode mode = LibvirtMode::kSession);
// Keeps what libvirt learned about QEMU for the next run. Only a saving of time: an error is no
// reason to fail.
Status KeepCapabilities(EmulatedHost& host);

// What a test may want otherwise of its configuration.
struct NotifierPlan {
  std::string host_retire = "auto";
  std::string more = {};  // lines of YAML
};

class Notifier {
 public:
  // Returns when it says that it is ready.
  static Result<Notifier> Start(EmulatedHost& host, const NotifierPlan& plan = {});

  // Ends it as systemd would, and copies its ledger and its log into the work folder.
  Status Stop();
  // SIGKILL, as the kernel would when memory runs out.
  Status Kill();

 private:
  Notifier(EmulatedHost& host, pid_t pid) : host_(&host), pid_(pid) {}
  Status End(int signal);
  EmulatedHost* host_;
  pid_t pid_;
};

}  // namespace seaward::lab
