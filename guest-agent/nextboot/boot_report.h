// What the UEFI driver did with the list, told to the kernel's user space in the volatile EFI
// variable SeawardReport, and the non-volatile counter SeawardBoots. Freestanding; the driver
// writes, the agent reads. FORMAT.md beside this.
#pragma once

#include "guest-agent/nextboot/bytes.h"
#include "guest-agent/nextboot/format.h"

namespace seaward::nextboot {

// Of the whole boot.
enum class BootResult : uint16_t {
  kApplied = 1,       // the list was gone through; the runs say what became of each page
  kNoList = 2,        // none on the volume that the driver was loaded from
  kBadList = 3,       // neither the list nor the old one passes its checks
  kOtherMachine = 4,  // the SMBIOS UUID is not the list's
  kFailedTwice = 5,   // two boots with this list did not reach an agent: left alone
  kNoCounter = 6,     // the counter cannot be kept: without it a list could lock somebody out
  kNoVolume = 7,      // the driver was not loaded from a file system
};
inline constexpr uint16_t kLastBootResult = 7;

// Of a run of pages.
enum class PageFate : uint32_t {
  kProtected = 1,        // marked unusable: the kernel never gets it
  kFirmware = 2,         // the firmware's for ever: runtime code or data, ACPI, reserved
  kBusy = 3,             // the firmware uses it now and gives it to the kernel: for the early stage
  kAlreadyUnusable = 4,  // somebody marked it before
  kNotMemory = 5,        // the firmware's map has no such memory
  kRefused = 6,          // free by the map, and yet refused
  kSkipped = 7,          // not tried: the result of the whole boot says why
};
inline constexpr uint32_t kLastPageFate = 7;

struct FateRun {
  uint64_t first = 0;
  uint32_t pages = 0;
  PageFate fate = PageFate::kProtected;
  uint64_t end() const { return first + uint64_t{pages} * kPageBytes; }
  bool operator==(const FateRun&) const = default;
};

struct BootReport {
  BootResult result = BootResult::kNoList;
  uint32_t list_checksum = 0;  // 0: no list
  uint16_t boots = 0;          // with this list since an agent last ran, this one included
  bool from_old_list = false;  // the newer one did not pass its checks
  bool runs_left_out = false;  // more than kMaxRuns, or no room for them in the variable
  uint32_t listed_pages = 0;
  uint32_t protected_pages = 0;
  uint32_t firmware_status = 0;  // low 32 bits of the first unexpected EFI_STATUS
  uint32_t run_count = 0;
  FateRun runs[kMaxRuns] = {};
};

// Adds pages that follow the last run, as part of it where the fate is the same.
void AddFate(BootReport& report, uint64_t first, uint32_t pages, PageFate fate);

// `out` has room for kMaxReportBytes; the bytes written. Without runs: `runs_left_out` is set.
size_t WriteReport(const BootReport& report, bool with_runs, uint8_t* out);
// False when the bytes are no report of this version.
bool ReadReport(Bytes bytes, BootReport& report);

struct BootCounter {
  uint32_t list_checksum = 0;
  uint16_t boots = 0;
};
void WriteCounter(const BootCounter& counter, uint8_t (&out)[kCounterBytes]);
bool ReadCounter(Bytes bytes, BootCounter& counter);

}  // namespace seaward::nextboot
