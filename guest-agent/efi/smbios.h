// The system UUID out of the SMBIOS tables (DMTF DSP0134: 5.2 entry points, 7.2.1 system UUID).
// Freestanding. The firmware's own tables, and yet every length is checked: a broken table must not
// keep a machine from booting.
#pragma once

#include "guest-agent/nextboot/boot_list.h"

namespace seaward::efi {

// Where the structures lie, read from an entry point of at least kSmbiosEntryBytes readable bytes.
struct SmbiosTable {
  uint64_t address = 0;
  uint32_t bytes = 0;
  bool little_endian_uuid = true;  // since SMBIOS 2.6
};
inline constexpr size_t kSmbiosEntryBytes = 32;
// QEMU's tables have some hundred bytes, a large server's some thousand.
inline constexpr uint32_t kMaxSmbiosBytes = 1 << 20;

// False: neither "_SM_" nor "_SM3_".
bool ReadSmbiosEntry(nextboot::Bytes entry, SmbiosTable& table);

// The UUID of the first structure of type 1, in the byte order of its text form; nil when there is
// none or it says "not known".
nextboot::MachineId FindSystemUuid(nextboot::Bytes structures, bool little_endian_uuid);

}  // namespace seaward::efi
