#include "tests/lab/poison/host_tables.h"

#include <fmt/format.h>

#include <algorithm>

namespace seaward::lab {
namespace {

constexpr std::uint64_t kTable = 3;
constexpr std::uint64_t kBlockOffset = (std::uint64_t{1} << 21) - 1;

// A writable stage-2 leaf of normal memory: S2AP = 0b11, MemAttr not device. A user's stage-1 entry
// can look the same in S2AP, but not in MemAttr, where KVM's leaves have ones and Linux' have
// zeros.
constexpr std::uint64_t kStageTwoAccess = 0xc0;
constexpr std::uint64_t kStageTwoMemory = 0x3c;
bool IsStageTwo(std::uint64_t word, std::uint64_t type) {
  return (word & 3) == type && (word & kStageTwoAccess) == kStageTwoAccess &&
         (word & kStageTwoMemory) != 0;
}

// A user's leaf of Linux: AP[1] (user), nG.
constexpr std::uint64_t kUserLeaf = 0x840;
constexpr std::uint64_t kPage = 3, kBlock = 1;
bool IsUserLeaf(std::uint64_t word, std::uint64_t type) {
  return (word & 3) == type && (word & kUserLeaf) == kUserLeaf && (word & kStageTwoMemory) == 0;
}

std::size_t IndexAt(GuestPhysAddr page, unsigned shift) {
  return (page.value >> shift) % 512;
}

// Goes up from `table`, whose parent has indexes at `shift`, to the tables that have no parent.
void FindRoots(const MachineRam& ram, GuestPhysAddr page, HostPhysAddr table, unsigned shift,
               StageTwoLeaf leaf, std::vector<StageTwoLeaf>& out) {
  const auto parents = ram.FindInTables(
      IndexAt(page, shift), [&](std::uint64_t word) { return word == (table.value | kTable); });
  if (parents.empty()) {
    // KVM's trees have two levels at least; a table without a parent is a freed one.
    constexpr unsigned kParentOfLeaves = 21;
    if (shift == kParentOfLeaves) return;
    // Several pages, one after another, may make up the root.
    leaf.root = {table.value - kPoisonGranule * (page.value >> shift)};
    leaf.root_shift = shift - 9;
    out.push_back(leaf);
    return;
  }
  constexpr unsigned kAboveLevel0 = 48;
  if (shift == kAboveLevel0) return;
  for (HostPhysAddr parent : parents)
    FindRoots(ram, page, {parent.value & kOutputAddress}, shift + 9, leaf, out);
}

bool BlockMaps(const MachineRam& ram, GuestPhysAddr page, HostPhysAddr backing) {
  return !ram.FindInTables(IndexAt(page, 21),
                           [&](std::uint64_t word) {
                             return IsStageTwo(word, 1) &&
                                    (word & kOutputAddress & ~kBlockOffset) ==
                                        (backing.value & ~kBlockOffset);
                           })
              .empty();
}

}  // namespace

Result<std::vector<StageTwoLeaf>> FindStageTwo(const MachineRam& ram, GuestPhysAddr page,
                                               HostPhysAddr backing) {
  const auto found = ram.FindInTables(IndexAt(page, 12), [&](std::uint64_t word) {
    return IsStageTwo(word, kTable) && (word & kOutputAddress) == backing.value;
  });
  std::vector<StageTwoLeaf> leaves;
  for (HostPhysAddr at : found) {
    auto word = ram.Load(at);
    if (!word) return Forward(word);
    FindRoots(ram, page, {at.value & kOutputAddress}, 21, {at, *word, {}, 0}, leaves);
  }
  if (!leaves.empty()) return leaves;
  if (BlockMaps(ram, page, backing))
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("huge page: {:#x} is mapped by a 2 MiB block; 4 KiB of it cannot be bad",
                    page.value));
  return Fail(
      ErrorCode::kNotFound,
      fmt::format("unmapped page: no stage-2 leaf maps {:#x} to {:#x}", page.value, backing.value));
}

Result<Owner> FindOwner(const MachineRam& ram, GuestPhysAddr page, HostPhysAddr backing) {
  const HostPhysAddr huge{backing.value & ~kBlockOffset};
  const auto maps_page = [&](std::uint64_t word) {
    return IsUserLeaf(word, kPage) && (word & kOutputAddress) == backing.value;
  };
  const auto maps_block = [&](std::uint64_t word) {
    return IsUserLeaf(word, kBlock) && (word & kOutputAddress & ~kBlockOffset) == huge.value;
  };
  // VMMs align a guest's memory to huge pages, so the index is nearly always the same.
  if (auto at = ram.FindInTables(IndexAt(page, 12), maps_page); !at.empty())
    return Owner{at.front(), backing};
  if (auto at = ram.FindAnywhere(maps_page); !at.empty()) return Owner{at.front(), backing};
  if (auto at = ram.FindAnywhere(maps_block); !at.empty()) return Owner{at.front(), huge};
  return Fail(ErrorCode::kNotFound,
              fmt::format("guest gone: no process has the host page {:#x}", backing.value));
}

}  // namespace seaward::lab
