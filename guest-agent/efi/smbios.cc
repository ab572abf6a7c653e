#include "guest-agent/efi/smbios.h"

namespace seaward::efi {
namespace {

using nextboot::Bytes;
using nextboot::MachineId;

constexpr uint8_t kSystemInformation = 1;
constexpr uint8_t kEndOfTable = 127;
constexpr size_t kStructureHeaderBytes = 4;
constexpr size_t kUuidOffset = 8;

bool BeginsWith(Bytes bytes, const char* text) {
  for (size_t i = 0; text[i] != '\0'; ++i)
    if (i >= bytes.size || bytes.data[i] != static_cast<uint8_t>(text[i])) return false;
  return true;
}

uint64_t LittleEndian(const uint8_t* at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint64_t{at[i]} << (8 * i);
  return value;
}

// All zeros: not present. All ones: present, not set.
bool Known(const MachineId& id) {
  bool zeros = true;
  bool ones = true;
  for (const uint8_t byte : id.bytes) {
    zeros = zeros && byte == 0;
    ones = ones && byte == 0xff;
  }
  return !zeros && !ones;
}

MachineId UuidAt(const uint8_t* at, bool little_endian) {
  // Three fields, of 4, 2 and 2 bytes, are turned; the rest stands as written.
  constexpr uint8_t kTurned[8] = {3, 2, 1, 0, 5, 4, 7, 6};
  MachineId id;
  for (size_t i = 0; i < sizeof(id.bytes); ++i)
    id.bytes[i] = at[little_endian && i < 8 ? kTurned[i] : i];
  return Known(id) ? id : MachineId{};
}

// Behind the formatted part: strings, each ended by a zero, and one more zero. 0: not inside.
size_t EndOfStructure(Bytes table, size_t at) {
  size_t end = at + table.data[at + 1];
  while (end + 1 < table.size) {
    if (table.data[end] == 0 && table.data[end + 1] == 0) return end + 2;
    ++end;
  }
  return 0;
}

}  // namespace

bool ReadSmbiosEntry(Bytes entry, SmbiosTable& table) {
  if (entry.size < kSmbiosEntryBytes) return false;
  const uint8_t* at = entry.data;
  if (BeginsWith(entry, "_SM3_")) {
    table = SmbiosTable{LittleEndian(at + 0x10, 8),
                        static_cast<uint32_t>(LittleEndian(at + 0xc, 4)), true};
  } else if (BeginsWith(entry, "_SM_")) {
    const bool turned = at[6] > 2 || (at[6] == 2 && at[7] >= 6);
    table = SmbiosTable{LittleEndian(at + 0x18, 4),
                        static_cast<uint32_t>(LittleEndian(at + 0x16, 2)), turned};
  } else {
    return false;
  }
  return table.address != 0 && table.bytes != 0 && table.bytes <= kMaxSmbiosBytes;
}

MachineId FindSystemUuid(Bytes table, bool little_endian_uuid) {
  size_t at = 0;
  while (at + kStructureHeaderBytes <= table.size) {
    const uint8_t type = table.data[at];
    const uint8_t length = table.data[at + 1];
    if (length < kStructureHeaderBytes || length > table.size - at) return {};
    if (type == kSystemInformation && length >= kUuidOffset + nextboot::kMachineBytes)
      return UuidAt(table.data + at + kUuidOffset, little_endian_uuid);
    if (type == kEndOfTable) return {};
    at = EndOfStructure(table, at);
    if (at == 0) return {};
  }
  return {};
}

}  // namespace seaward::efi
