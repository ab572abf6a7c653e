// Facts about this machine and this boot.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/uuid.h"
#include "guest-agent/pages/page_size.h"

namespace seaward::agent {

// Where the kernel's file systems are mounted; a test brings its own.
struct SystemRoots {
  std::string sys = "/sys";
  std::string proc = "/proc";
  std::string dev = "/dev";
};

// Names this boot of the kernel.
Result<Uuid> ReadBootId(const SystemRoots& roots);
// SMBIOS system UUID; nil on a machine without SMBIOS.
Uuid ReadMachineUuid(const SystemRoots& roots);
PageSize KernelPageSize();
// A crash kernel owns a sliver of memory and writes a dump of the rest: the agent must not run.
bool IsCrashKernel(const SystemRoots& roots);
// /proc/meminfo, HardwareCorrupted; 0 when the kernel does not say.
std::uint64_t HardwareCorruptedBytes(const SystemRoots& roots);
// Never blocks, not even before the kernel's generator is ready: the number tells boots apart, it
// is no secret.
std::uint64_t RandomNumber();

}  // namespace seaward::agent
