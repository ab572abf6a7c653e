// The host side under test: our real seaward-notifier on private paths, a publisher that is the VMM
// of one VM, seawardctl, and the ledger read by sqlite3(1), which is not ours. One thread at a
// time.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "base/uuid.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace seaward::testing {

struct HostPlan {
  Uuid vm;
  std::string vm_name = "guest";
  std::string channel;               // the host's end of the VM's channel
  std::string libvirt_uri = "none";  // then the VM is found through libvirt, not in static_vms
  std::string libvirt_status_dir = {};
  std::string log_level = "debug";
  std::string more_config = {};  // further lines of notifier.yaml
};

// One row of the ledger's pages with its verdicts, as sqlite3 shows it.
struct LedgerPage {
  std::string life;
  std::string outcome;  // empty: none yet
  std::string kind;
  std::string stage;
  std::string host_retired;
  std::int64_t events = 0;
  std::int64_t verdicts_this_boot = 0;
  std::string boot;  // boot_id of the newest verdict
  std::int64_t exposure_ns = 0;
  std::int64_t sys_errno = 0;
};

class NotifierHost {
 public:
  explicit NotifierHost(HostPlan plan);

  // Starts seaward-notifier; returns when its control socket answers.
  Status StartNotifier();
  // SIGKILL, at once.
  void KillNotifier() { notifier_.KillNow(); }
  ChildEnd StopNotifier();
  void SignalNotifier(int signal) const { notifier_.Signal(signal); }
  pid_t notifier_pid() const { return notifier_.pid(); }

  // A process that attaches as the VM's VMM and stays. Only for a VM without libvirt.
  Status StartPublisher();
  void StopPublisher() { publisher_.KillNow(); }
  // An exit with that address goes into the ring; returns at once.
  Status Publish(GuestPhysAddr page);
  // `seawardctl report`.
  Status Report(GuestPhysAddr page, const std::string& evidence);
  // The same, for a domain that the notifier may not know yet: tells it until it is taken.
  Status ReportOnceKnown(GuestPhysAddr page, const std::string& evidence);
  // `seawardctl ARGUMENTS... --json`, parsed.
  Result<nlohmann::json> Seawardctl(std::vector<std::string> arguments);

  // Every row about that page: exactly one is right.
  Result<std::vector<LedgerPage>> PagesAt(GuestPhysAddr page) const;
  // Waits for a verdict of the boot `boot_id` about that page ("": of any boot).
  Result<LedgerPage> WaitForVerdict(GuestPhysAddr page, const std::string& boot_id,
                                    std::chrono::milliseconds limit = std::chrono::seconds(60));
  // Waits until the page's life is `life`.
  bool WaitForLife(GuestPhysAddr page, const std::string& life,
                   std::chrono::milliseconds limit = std::chrono::seconds(60));
  Result<nlohmann::json> QueryLedger(const std::string& sql) const;

  const TempDir& folder() const { return dir_; }
  // Where a VMM of the test's own attaches.
  std::string attach_socket() const { return dir_ / "attach.sock"; }
  // What notifier and publisher printed, for the message of a failed test.
  std::string Logs() const;

 private:
  std::string Config() const;

  TempDir dir_;
  HostPlan plan_;
  ChildProcess notifier_;
  ChildProcess publisher_;
};

}  // namespace seaward::testing
