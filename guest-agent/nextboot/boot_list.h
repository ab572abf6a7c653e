// The list of pages that the next kernel must not be given: a view of its bytes, and its writer.
// Freestanding; shared by the agent and the UEFI driver. FORMAT.md beside this.
#pragma once

#include "guest-agent/nextboot/bytes.h"
#include "guest-agent/nextboot/format.h"

namespace seaward::nextboot {

// In the byte order of the text form, as base/uuid.h; all 0: unknown.
struct MachineId {
  uint8_t bytes[kMachineBytes] = {};
  bool IsNil() const;
  bool operator==(const MachineId& other) const;
};

struct ListedRange {
  uint64_t first = 0;  // address, a whole multiple of kPageBytes
  uint32_t pages = 0;  // at least 1
  uint32_t flags = 0;  // kPerhapsFirmware
  uint64_t end() const { return first + uint64_t{pages} * kPageBytes; }
  bool operator==(const ListedRange&) const = default;
};

// The running kernel showed the range as reserved: it may be its own, it may be an ACPI table. The
// driver asks the firmware, which knows; GRUB's badram would write over it.
inline constexpr uint32_t kPerhapsFirmware = 1;

enum class ListError : uint16_t { kNone, kLength, kMagic, kVersion, kChecksum, kField, kOrder };

// A list that passed every check. Holds no copy: the bytes must outlive it.
class BootListView {
 public:
  BootListView() = default;

  // On any error the view stays empty.
  ListError Parse(Bytes bytes);

  size_t size() const { return count_; }
  ListedRange operator[](size_t index) const;
  const MachineId& machine() const { return machine_; }
  const MachineId& incarnation() const { return incarnation_; }
  // Names this list: another content has another one.
  uint32_t checksum() const { return checksum_; }

 private:
  Bytes bytes_;
  size_t count_ = 0;
  MachineId machine_;
  MachineId incarnation_;
  uint32_t checksum_ = 0;
};

// `ranges` as Parse demands them; `out` has room for kMaxListBytes. The bytes written, 0 when the
// ranges break a rule.
size_t WriteBootList(const MachineId& machine, const MachineId& incarnation,
                     const ListedRange* ranges, size_t count, uint8_t* out);

}  // namespace seaward::nextboot
