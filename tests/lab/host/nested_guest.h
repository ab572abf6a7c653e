// A KVM guest of the emulated host, as a libvirt domain: unmodified QEMU with our interposer in
// LD_PRELOAD, a stock kernel, our agent and command server as its whole user space.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/host/emulated_host.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/support/guest_shell.h"

namespace seaward::lab {

// The kinds of domain: they differ in what QEMU does with a page that its host has retired, and in
// what runs before the kernel.
enum class Board {
  kDeviceTree,  // direct kernel boot, no firmware: QEMU exits at the next touch
  kAcpiGhes,    // UEFI, ACPI and ras=on: QEMU tells the guest through GHES
  kEsp,         // UEFI with variables that last and a disk with an ESP, and without GHES
};

struct GuestPlan {
  std::string name;
  bool guarded = true;  // the agent runs, early and as a daemon; nothing else depends on it
  Board board = Board::kDeviceTree;
  std::string inject = "auto";  // SEAWARD_INJECT of its VMM
  bool interposed = true;       // libseaward-preload.so is in its VMM
  bool huge_pages = false;      // its memory is of the host's hugetlbfs
  std::string more_words = {};  // on the kernel's command line
  unsigned vcpus = 1;
  std::chrono::microseconds hold{0};  // SEAWARD_HOLD_US
};

class NestedGuest {
 public:
  static constexpr std::uint64_t kMemoryBase = 0x40000000;  // of QEMU's `virt` board

  // Defines and starts it; does not wait for its user space.
  static Result<std::unique_ptr<NestedGuest>> Create(EmulatedHost& host, const GuestPlan& plan);

  // Waits until its user space answers with another boot_id than that of the last call.
  Status WaitUp(std::chrono::milliseconds limit);
  const std::string& name() const { return name_; }
  // Its QEMU, in the emulated host.
  pid_t vmm() const { return vmm_; }
  const std::string& boot_id() const { return boot_id_; }
  const Json& status() const { return status_; }  // of the last WaitUp

  // A command of seaward-testd, and its reply. Both go into the transcript.
  Result<Json> Ask(const std::string& command, const Json& arguments,
                   std::chrono::milliseconds limit);
  // The same for a question that changes nothing: asked again when no answer comes. What a guest
  // says on its command port while nobody is connected is lost.
  Result<Json> AskAgain(const std::string& question, const Json& arguments,
                        std::chrono::milliseconds limit);
  // A command that allocates nearly all memory. The guest's kernel may kill who does so, when it
  // needs more at that moment; it then lives, and is asked for less.
  Result<Json> AskForMemory(const std::string& command, Json arguments,
                            std::chrono::milliseconds limit);
  // As a button would, and as the guest itself would.
  Status Reset();
  Status RebootFromInside();
  // Between the two nothing in it runs.
  Status Pause();
  Status Resume();
  Status Destroy();
  // SIGKILL to its VMM.
  Status KillVmm();

  // Where the VMM has the guest's RAM, and the host pages behind it now (nullopt: none yet).
  Result<std::optional<HostPhysAddr>> BackingOf(GuestPhysAddr page);
  // Pages that nobody has touched since the VMM started, as ranges.
  Result<std::vector<ByteRange>> NeverTouched();

 private:
  NestedGuest(EmulatedHost& host, const GuestPlan& plan);
  Status Virsh(const std::string& words);
  Status FindMemory();
  Result<Json> ProcessPages(std::uint64_t first, std::uint64_t pages);

  EmulatedHost* host_;
  std::string name_;
  std::uint64_t memory_;  // bytes of guest RAM
  testing::NestedGuestShell commands_;
  std::string boot_id_;
  Json status_;
  pid_t vmm_ = -1;
  std::uint64_t memory_at_ = 0;  // virtual address of the guest's RAM in the VMM
};

}  // namespace seaward::lab
