// What a schedule is played on: a guest under a libvirtd of its own, our notifier, and in
// World::kRing a process that is the VMM to it. Knows what of it was killed,
// stopped or filled, so that every verb may be used at any time. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/plan/step.h"
#include "tests/chaos/plan/vmm_orders.h"
#include "tests/support/notifier_host.h"
#include "tests/support/tcg_guest.h"

namespace seaward::chaos {

// What became of an exit at the moment when it was published or reported.
enum class Fate : std::uint8_t {
  kTaken,    // it is in the ring, or the notifier said yes
  kLost,     // the ring had no room, and counted that
  kRefused,  // a report was turned down, and whoever made it knows
};

class Machines {
 public:
  static Result<std::unique_ptr<Machines>> Start(const testing::GuestImages& images, World world);

  World world() const { return world_; }
  // Also of a guest that did not come up, when there is no guest().
  std::string console_path() const;
  testing::TcgGuest& guest() { return *guest_; }
  testing::NotifierHost& host() { return *host_; }
  testing::GuestShell& shell() { return guest_->shell(); }

  // --- memory goes bad ---
  // Consumed pages, as the VMM (on that vCPU) or in kLibvirt an operator says it. In their order.
  Result<std::vector<Fate>> Consume(const std::vector<GuestPhysAddr>& pages,
                                    std::uint32_t vcpu = 0);
  // An operator's word, while the notifier takes any.
  Fate Report(const ByteRange& range, const std::string& evidence);
  // Exits of this VMM: in the ring or counted in a record that was there; and lost.
  struct Exits {
    std::uint64_t taken = 0;
    std::uint64_t lost = 0;
  };
  const Exits& exits() const { return exits_; }

  // --- the guest; all but Pause let it run first ---
  Status Pause();
  Status LetGuestRun();
  // Return when the next boot answers. `guest_reboots`: from inside.
  Status Reset();
  Status Reboot();
  Status Panic();
  // QEMU and what stands for it die; a new one with new memory is started.
  Status ReplaceVmm();
  Result<testing::GuestShell::Json> AskGuest(
      const std::string& command,
      testing::GuestShell::Json arguments = testing::GuestShell::Json::object());

  // --- the agent ---
  Status KillAgent();
  Status StartAgent();
  Status SignalAgent(int signal);
  bool agent_works() const { return agent_alive_ && !agent_stopped_; }
  // It was killed or stopped by nobody but itself.
  Result<bool> AgentDiedAlone();
  Result<int> AgentPid();

  // --- the notifier ---
  void KillNotifier();
  Status StartNotifier();
  void StopNotifier();
  void ContinueNotifier();
  void FillDisk();
  void FreeDisk();
  bool notifier_works() const { return notifier_up_ && !notifier_stopped_ && !disk_full_; }
  bool notifier_hears() const { return notifier_up_ && !notifier_stopped_; }

  Status KillLibvirtd();
  // To the VMM of World::kRing; ignored in the other.
  void Order(const std::string& order);
  pid_t vmm_pid() const { return vmm_.pid(); }

  // Everything lives and runs.
  Status MakeWell();
  // Boots that began since the machines started.
  unsigned boots() const { return boots_; }

 private:
  Machines(const testing::GuestImages& images, World world) : images_(images), world_(world) {}
  Status BringUp();
  Status StartGuest();
  Status StartVmm();
  std::string VmmLog() const { return host_->folder() / "vmm.log"; }
  void Booted();
  Result<std::vector<Fate>> ReadFates(std::size_t exits);

  const testing::GuestImages images_;
  const World world_;
  std::unique_ptr<testing::PrivateLibvirtd> libvirtd_;
  std::unique_ptr<testing::TcgGuest> guest_;
  std::optional<testing::NotifierHost> host_;
  testing::ChildProcess vmm_;
  std::size_t vmm_log_read_ = 0;
  Exits exits_;
  unsigned boots_ = 0;
  bool paused_ = false;
  bool agent_alive_ = true;
  bool agent_stopped_ = false;
  bool notifier_up_ = false;
  bool notifier_stopped_ = false;
  bool disk_full_ = false;
};

}  // namespace seaward::chaos
