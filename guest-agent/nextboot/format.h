// Numbers of what the agent and the UEFI driver tell each other: the list on the ESP and two EFI
// variables. FORMAT.md beside this says what each field means. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace seaward::nextboot {

inline constexpr uint64_t kPageBytes = 4096;  // UEFI's page, whatever the kernel's is
inline constexpr unsigned kAddressBits = 52;

inline constexpr uint32_t kListMagic = 0x424e5753;    // "SWNB"
inline constexpr uint32_t kReportMagic = 0x52425753;  // "SWBR"
inline constexpr uint16_t kFormatVersion = 1;

inline constexpr size_t kMachineBytes = 16;
inline constexpr size_t kListHeaderBytes = 48;
inline constexpr size_t kListEntryBytes = 16;
// 500 pages apart make Linux's memblock overflow before it can grow ("cannot resize memory array"):
// half of that leaves room for what the firmware's own map has.
inline constexpr size_t kMaxRanges = 256;
inline constexpr size_t kMaxListBytes = kListHeaderBytes + kMaxRanges * kListEntryBytes + 4;

inline constexpr size_t kReportHeaderBytes = 32;
inline constexpr size_t kReportRunBytes = 16;
// EDK2 refuses variables above 8 KiB, name and header included.
inline constexpr size_t kMaxRuns = 384;
inline constexpr size_t kMaxReportBytes = kReportHeaderBytes + kMaxRuns * kReportRunBytes;

inline constexpr size_t kCounterBytes = 8;
// A list whose boots ended twice without an agent that runs is left alone from then on.
inline constexpr uint16_t kMaxFailedBoots = 2;

// 37154f98-fa1a-42e3-8399-59f673b45137: the owner of our variables.
inline constexpr uint32_t kVendorData1 = 0x37154f98;
inline constexpr uint16_t kVendorData2 = 0xfa1a;
inline constexpr uint16_t kVendorData3 = 0x42e3;
inline constexpr uint8_t kVendorData4[8] = {0x83, 0x99, 0x59, 0xf6, 0x73, 0xb4, 0x51, 0x37};
inline constexpr char kVendorText[] = "37154f98-fa1a-42e3-8399-59f673b45137";
inline constexpr char16_t kReportVariable[] = u"SeawardReport";
inline constexpr char16_t kCounterVariable[] = u"SeawardBoots";

// On the ESP. The old list is read when the new one does not pass its checks.
inline constexpr char16_t kListPath[] = u"\\EFI\\seaward\\pages.lst";
inline constexpr char16_t kOldListPath[] = u"\\EFI\\seaward\\pages.old";

}  // namespace seaward::nextboot
