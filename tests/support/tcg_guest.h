// An emulated Linux guest, aarch64 or x86-64, under a private libvirtd: direct kernel boot,
// seaward-testd as its init, our agent channel and the test channel. One thread at a time.
#pragma once

#include <libvirt/libvirt.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/units.h"
#include "base/uuid.h"
#include "tests/support/guest_shell.h"
#include "tests/support/private_libvirtd.h"
#include "tests/support/test_images.h"

namespace seaward::testing {

struct GuestPlan {
  std::string name = "guest";
  Uuid uuid;
  unsigned memory_mib = 256;
  std::string cpu = "cortex-a72";
  GuestMachine machine = GuestMachine::kArm64;
  std::string more_words = {};  // on the kernel's command line
  bool early = true;            // the early stage runs at every boot
  bool agent = true;            // the daemon starts at every boot
  bool frames = false;          // free frames at /init are noted
  unsigned loglevel = 4;  // of its console; each "Memory failure" line there costs the guest time
  bool snapshot_disk = false;  // an empty one, which holds QEMU's snapshots
  // Booted by UEFI (AAVMF, OVMF) with variables of its own, which outlive the domain.
  bool uefi = false;
  std::string disk = {};        // an image, copied: the guest's vda
  bool boot_from_disk = false;  // by what is on its ESP; else the kernel is given by QEMU
  std::vector<std::string> more_ports = {};  // beside the agent's and the test's
  // When the usual one is not enough.
  std::optional<std::chrono::milliseconds> boot_limit = {};
  // Without them nobody can ask the guest anything: Start does not wait for it.
  bool ports = true;
};

class TcgGuest {
 public:
  // Returns when its command server answers.
  static Result<std::unique_ptr<TcgGuest>> Start(PrivateLibvirtd& libvirtd,
                                                 const GuestImages& images, const GuestPlan& plan);
  ~TcgGuest();

  // Pulls the reset line; returns when the next boot answers.
  Status Reset();
  // Somebody else reset or restarted it; returns when the boot after boot_id() answers.
  Status AwaitNextBoot();
  // `reboot` from inside; returns when the next boot answers.
  Status RebootFromInside();

  // Ends the domain and creates it again; returns when the next boot answers.
  struct NextLife {
    bool forget_variables = false;  // its firmware's, which otherwise stay
    std::optional<Uuid> uuid = {};  // another machine's
  };
  Status PowerCycle(const NextLife& next);

  // Into `image`; the domain is gone then.
  Status Save(const std::string& image);
  // From `image`, which stays; returns when the guest, in the boot it was saved in, answers.
  Status Restore(const std::string& image);
  // A line for QEMU's own monitor, past libvirt; what it printed.
  Result<std::string> AskMonitor(const std::string& line);
  // Live, to a libvirtd that takes the guest over; returns when it answers there.
  Status MigrateTo(PrivateLibvirtd& other);
  void Destroy();
  // The host holds all vCPUs; lets them go.
  Status Pause();
  Status Resume();
  // SIGKILL to its QEMU, as a crash; returns when libvirt knows.
  Status KillVmm();

  GuestShell& shell() { return shell_; }
  const std::string& boot_id() const { return boot_id_; }
  const GuestPlan& plan() const { return plan_; }
  // The host's end of org.seaward.agent.0.
  std::string channel_path() const { return ChannelPath(folder_, plan_.name); }
  // Of the process that is its QEMU now.
  Result<pid_t> QemuPid() const;
  // The same before the guest exists; `folder` is the libvirtd's.
  static std::string ChannelPath(const std::string& folder, const std::string& guest_name) {
    return folder + "/rt/" + guest_name + "-agent.sock";
  }
  // The host's end of one of plan().more_ports.
  std::string port_path(const std::string& port) const {
    return folder_ + "/rt/" + plan_.name + "-" + port + ".sock";
  }
  std::string console_path() const { return folder_ + "/rt/" + plan_.name + "-console.log"; }
  // The guest's disk as it is now; written to by the guest.
  const std::string& disk_path() const { return disk_; }
  // What the kernel is told; for the boot loader's configuration on a disk.
  static std::string CommandLine(const GuestPlan& plan);

  // --- what a test asks most ---
  // Flag names of a frame: /proc/kpageflags.
  Result<std::vector<std::string>> FrameFlags(GuestPhysAddr page);
  // First address of the first iomem line that is called `what`, "Kernel code" for example.
  Result<GuestPhysAddr> FindInIomem(const std::string& what);
  // A page in the middle of the largest run of free frames, other than those returned before.
  Result<GuestPhysAddr> PickFreePage();
  // Takes nearly all memory in the guest, gives it back, says whether `page` was among it.
  struct Handout {
    bool given;
    std::uint64_t pages;
  };
  Result<Handout> TakeAllMemory(GuestPhysAddr page);

 private:
  TcgGuest(PrivateLibvirtd& libvirtd, GuestPlan plan);
  Status Launch(PrivateLibvirtd& libvirtd, const GuestImages& images);
  // The command server answers, in the boot that boot_id() names.
  Status AwaitSameBoot();
  std::string SnapshotDiskPath() const { return folder_ + "/rt/" + plan_.name + ".qcow2"; }
  Status MakeSnapshotDisk() const;
  std::string DomainXml() const;
  std::chrono::milliseconds BootLimit() const;
  std::string variables_path() const { return folder_ + "/" + plan_.name + "-variables.fd"; }
  std::string OsXml() const;
  std::string DiskXml() const;
  Status StageFiles(PrivateLibvirtd& libvirtd, const GuestImages& images);
  Status StageVariables();
  Status CreateDomain();

  GuestPlan plan_;
  std::string folder_;
  std::string uri_;
  GuestShell shell_;
  std::string kernel_;  // staged files
  std::string initramfs_;
  std::string disk_;
  std::string boot_id_;
  std::uint64_t picked_ = 0;
};

}  // namespace seaward::testing
