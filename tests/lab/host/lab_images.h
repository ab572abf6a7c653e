// The files that an emulated Arm host is started from; made or found in the cache by the scripts in
// tests/images.
#pragma once

#include <string>

#include "base/result.h"

namespace seaward::lab {

struct LabImages {
  std::string qemu;       // plays the emulated host
  std::string qemu_data;  // its folder of firmware; empty: where it looks by itself
  std::string host_cpu;   // -cpu
  std::string kernel;     // Image of the emulated host and of its guests
  std::string kernel_version;
  std::string root;  // read-only root of the emulated host
  std::string initramfs;
  std::string disk;          // our own binaries, in the work folder
  std::string capabilities;  // folder in the cache: what libvirt learned about QEMU, kept
};

// `work`: an existing folder. kUnsupported when no kernel >= 6.19 is obtainable: the only reason
// for which a test may skip.
Result<LabImages> PrepareImages(const std::string& work);

}  // namespace seaward::lab
