// One row of build/lab/exits.json: what one kind of external abort looked like on its whole way,
// from KVM's exit through the guest's kernel to the ledger. Cases of several files write rows, so a
// row replaces the one of its kind and leaves the others.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"

namespace seaward::lab {

inline constexpr char kExitRows[] = "exits.json";

// What was not seen stays empty and is written as null.
struct ExitRow {
  std::string kind{};  // "data_read", ...; names the row
  // KVM_EXIT_ARM_SEA's own words, as the notifier recorded them.
  std::uint64_t flags = 0;
  std::uint64_t esr = 0;
  std::uint64_t gva = 0;
  std::uint64_t gpa = 0;
  std::string located_by{};  // gpa | walk | none
  std::string injection{};   // how the VMM side answered: kvm | kvm_inexact | exact | native | vmm
  // As the guest's kernel printed them.
  std::optional<std::uint64_t> guest_esr{};
  std::optional<std::uint64_t> guest_far{};
  std::string outcome{};                 // what became of the process or the kernel
  std::optional<std::string> verdict{};  // of the guest about the page
  std::optional<std::string> host_retired{};
  std::optional<double> exposure_us{};
  std::uint64_t exits_observed = 0;  // by the host kernel's own kprobe
};

nlohmann::json ToJson(const ExitRow& row);

// `path`: an array of rows; made when missing. Written whole or not at all. kCorrupt when another
// writer left something else there.
Status MergeExitRow(const std::string& path, const ExitRow& row);

}  // namespace seaward::lab
