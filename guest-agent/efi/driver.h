// Marks the listed pages unusable before any boot loader runs. Freestanding; the firmware calls it
// through entry.cc, a test with tables of its own.
//
// Never an operator locked out: whatever goes wrong, the boot goes on, and the report says why.
#pragma once

#include "guest-agent/efi/uefi.h"
#include "guest-agent/nextboot/boot_report.h"

namespace seaward::efi {

// Fixed memory of one run: a driver's stack is small, and what it does not allocate cannot fail.
struct DriverMemory {
  uint8_t list[nextboot::kMaxListBytes + 1];  // one more, so that a longer file is noticed
  // 256 isolated ranges make some 600 descriptors of 48 bytes.
  alignas(8) uint8_t map[64 << 10];
  uint8_t report_bytes[nextboot::kMaxReportBytes];
  nextboot::BootReport report;
};

// Does nothing when this boot has a report already: systemd-boot loads what Driver#### loaded.
void ProtectListedPages(Handle image, SystemTable& system, DriverMemory& memory);

}  // namespace seaward::efi
