// What an operator has without Seaward: QEMU's own guest agent, asked through libvirt to write to
// hard_offline_page. One connection, kept. One thread.
#pragma once

#include <libvirt/libvirt.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/units.h"

namespace seaward::bench {

class QemuAgentProbe {
 public:
  // The guest's qemu-ga runs; returns when it answers a ping.
  static Result<QemuAgentProbe> Connect(const std::string& uri, const std::string& domain,
                                        const Clock& clock);

  // Each from before its first word to libvirt to after the last answer. kBusy: refused.
  // guest-file-open, guest-file-write, guest-file-close.
  Result<std::chrono::nanoseconds> ByFile(GuestPhysAddr page);
  // guest-file-write and guest-file-flush on a handle that stays open.
  Result<std::chrono::nanoseconds> ByKeptHandle(GuestPhysAddr page);
  // guest-exec of a shell with one echo, and guest-exec-status until it has ended.
  Result<std::chrono::nanoseconds> ByExec(GuestPhysAddr page);
  // guest-exec of one shell that loops over all of them; refused ones count as well.
  Result<std::chrono::nanoseconds> ByLoop(const std::vector<GuestPhysAddr>& pages);

 private:
  struct Free {
    void operator()(virConnectPtr link) const { virConnectClose(link); }
    void operator()(virDomainPtr domain) const { virDomainFree(domain); }
  };
  explicit QemuAgentProbe(const Clock& clock) : clock_(&clock) {}
  // What is in "return".
  Result<nlohmann::json> Ask(const std::string& command, nlohmann::json arguments);
  Status Write(int handle, GuestPhysAddr page);
  Result<int> RunShell(const std::string& script);

  const Clock* clock_;
  std::unique_ptr<virConnect, Free> link_;
  std::unique_ptr<virDomain, Free> domain_;
  int kept_ = -1;
};

}  // namespace seaward::bench
