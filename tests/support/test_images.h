// Where the kernel and the guest's user space come from: the scripts of tests/images.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace seaward::testing {

// What QEMU emulates.
enum class GuestMachine { kArm64, kX86 };

struct GuestImages {
  std::string kernel;     // Image
  std::string initramfs;  // cpio
  std::string kernel_version;
  std::string cpu = "cortex-a72";  // one that can run it
  unsigned memory_mib = 256;       // enough for it
  std::vector<std::string> more_ports = {};
  GuestMachine machine = GuestMachine::kArm64;
};

// Kernels on which retirement is proved; each has what cases about kinds of pages need besides.
enum class TestKernel {
  kNewest,    // 7.x, 4 KiB pages
  k16k,       // 7.x, 16 KiB pages
  kBookworm,  // 6.1, 4 KiB pages
  // As kNewest, with QEMU's own guest agent beside ours: /usr/sbin/qemu-ga and its port.
  kBesideQemuGa,
  kX86,  // x86-64, 7.x; programs and driver of this build
};

// Builds or finds them. kUnsupported: no kernel new enough is obtainable, the one reason for which
// a test may skip; the text says which packages were tried. $SEAWARD_NO_KERNEL (set by ./dev) says
// so without asking again.
Result<GuestImages> FindGuestImages();
// The same for a kernel of the cases about kinds of pages.
Result<GuestImages> FindGuestImages(TestKernel kernel);

// The same guest for UEFI: with modules for its ESP and its variables, and our driver.
Result<GuestImages> FindUefiGuestImages(GuestMachine machine = GuestMachine::kArm64);
// A disk whose ESP boots `images` by `loader` (grub, systemd-boot, none), at `path`.
Status MakeBootDisk(const std::string& loader, const GuestImages& images,
                    const std::string& command_line, const std::string& path);

// A Debian guest of this machine's architecture with the agent's package out of build/packages
// installed; `tool` makes its initramfs (tests/images/make-guest-disk). kUnsupported: nobody but
// root can make one.
struct DebianImage {
  GuestImages guest;
  std::string disk;  // its root file system
};
Result<DebianImage> FindDebianImage(const std::string& tool);

// The arm64 programs: $SEAWARD_ARM64_BIN, or build/arm64/bin of the source tree.
std::string Arm64BinDir();
// The programs of this build: the folder that the running test's build puts them in.
std::string HostBinDir();

}  // namespace seaward::testing
