// Where the EFI system partition is mounted, and which partition it is.
#pragma once

#include <string>

#include "base/result.h"
#include "guest-agent/preboot/load_option.h"

namespace seaward::agent {

// The kernel's roots, as app/machine.h has them; a test brings its own.
struct EspRoots {
  std::string sys = "/sys";
  std::string proc = "/proc";
  std::string dev = "/dev";
};

struct Esp {
  std::string folder;  // where it is mounted
  std::string device;  // "major:minor"
};

// `wanted` is a mount point, or "auto": the first of /boot/efi, /efi and /boot that is a FAT file
// system. kNotFound when there is none, kInvalid when `wanted` is no mounted FAT file system.
Result<Esp> FindEsp(const EspRoots& roots, const std::string& wanted);

// kUnsupported: not a partition of a GPT disk, as far as the kernel and udev say.
Result<GptPartition> PartitionOf(const EspRoots& roots, const Esp& esp);

}  // namespace seaward::agent
