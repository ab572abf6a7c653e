// Where the kernel and the guest's user space come from: the scripts of tests/images.
#pragma once

#include <string>

#include "base/result.h"

namespace seaward::testing {

struct GuestImages {
  std::string kernel;     // Image
  std::string initramfs;  // cpio
  std::string kernel_version;
};

// Builds or finds them. kUnsupported: no kernel new enough is obtainable, the one reason for which
// a test may skip; the text says which packages were tried. $SEAWARD_NO_KERNEL (set by ./dev) says
// so without asking again.
Result<GuestImages> FindGuestImages();

// The arm64 programs: $SEAWARD_ARM64_BIN, or build/arm64/bin of the source tree.
std::string Arm64BinDir();
// The programs of this build: the folder that the running test's build puts them in.
std::string HostBinDir();

}  // namespace seaward::testing
