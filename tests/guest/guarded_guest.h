// What the cases of tests/guest share: one private libvirtd and one guest with our agent, guarded
// by our notifier with a publisher as its VMM. Booting is dear, so that a case leaves the guest as
// it found it: up, agent running, session live.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/support/notifier_host.h"
#include "tests/support/tcg_guest.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {

// For what takes well under a second on a free machine.
inline constexpr std::chrono::seconds kPatience{60};

// Started by the first case that needs it, ended by main. One guest at a time: Control() ends the
// guarded one, Guarded() ends the control.
class GuestBench : public ::testing::Environment {
 public:
  explicit GuestBench(GuestImages images) : images_(std::move(images)) {}
  void TearDown() override;

  struct Machines {
    TcgGuest& guest;
    NotifierHost& host;
  };
  // The guarded guest with its notifier and publisher.
  Result<Machines> Guarded();
  // The same guest, followed by a notifier that knows it from libvirt only.
  Result<Machines> GuardedThroughLibvirt();
  // The same image without early stage, agent and notifier.
  Result<TcgGuest*> Control();
  // The next case gets fresh machines: after a failure nobody knows what these are good for.
  void Discard();
  PrivateLibvirtd& libvirtd() { return *libvirtd_; }

 private:
  Status BringUpLibvirtd();
  Result<Machines> BringUp(bool through_libvirt);
  Status BringUpGuest(bool guarded);
  Status BringUpHost(bool through_libvirt);

  GuestImages images_;
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  std::unique_ptr<TcgGuest> guest_;
  std::optional<NotifierHost> host_;
  bool host_through_libvirt_ = false;
};

// Verbs of the cases. A case fails with the reason when a verb cannot be carried out.
class GuardedGuest : public ::testing::Test {
 protected:
  static GuestBench* bench;  // set by main, before any case
  friend int RunGuestTests(int argc, char** argv);

  void SetUp() override;
  void TearDown() override;  // ends the case's victims; after a failure shows the console
  // For SetUp: a fatal failure when they did not come up.
  void UseMachines(Result<GuestBench::Machines> machines);
  TcgGuest& guest() { return *guest_; }
  NotifierHost& host() { return *host_; }

  GuestPhysAddr FreePage();
  // A process with one page; where that page is.
  struct Victim {
    int pid;
    GuestPhysAddr page;
  };
  Victim StartVictim();
  // "intact", "changed" or "died"; then `signal` says of what.
  std::string TouchVictim(const Victim& victim, int& signal);

  void PublishExit(GuestPhysAddr page);
  // The one row about `page` once it has a verdict of the running boot.
  LedgerPage Verdict(GuestPhysAddr page);
  // The newest row about `page` as it is now; empty when there is none.
  LedgerPage RowAt(GuestPhysAddr page);
  // One row, one verdict in this boot, retired; the frame is out of use in the kernel.
  void ExpectRetiredOnce(GuestPhysAddr page);
  bool HasFlag(GuestPhysAddr page, const std::string& flag);

  int AgentPid();
  void SignalAgent(int signal);
  // SIGKILL, and waits until it is gone.
  void KillAgent();
  void StartAgent();
  // /proc/meminfo, kB.
  std::uint64_t HardwareCorruptedKb();

  TcgGuest* guest_ = nullptr;
  NotifierHost* host_ = nullptr;

 private:
  std::vector<int> victims_;  // of this case, which must not reboot the guest
};

int RunGuestTests(int argc, char** argv);

}  // namespace seaward::testing
