// The agent's copy of the list, in its state folder: the daemon writes it, the boot unit carries it
// to the ESP. The format is guest-agent/nextboot/FORMAT.md.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "guest-agent/nextboot/boot_list.h"

namespace seaward::agent {

struct StoredList {
  Uuid machine;
  Uuid incarnation;
  std::vector<nextboot::ListedRange> ranges;
  bool operator==(const StoredList&) const = default;
};

// kInvalid when the ranges break a rule of the format.
Result<std::vector<std::byte>> EncodeList(const StoredList& list);
// kCorrupt with the check that failed.
Result<StoredList> DecodeList(std::span<const std::byte> bytes);

// kNotFound, kCorrupt, or what the system says.
Result<StoredList> LoadList(const std::string& path);
// Replaces the file in one step; leaves it alone when it holds these bytes already.
Status SaveList(const std::string& path, const StoredList& list);

nextboot::MachineId AsMachineId(const Uuid& uuid);
Uuid AsUuid(const nextboot::MachineId& id);

}  // namespace seaward::agent
