#include "tests/lab/poison/guest_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tests/lab/poison/host_tables.h"

namespace seaward::lab {
namespace {

constexpr unsigned kPageShift = 12;
constexpr std::size_t kEntries = 512;

struct MappedPage {
  GuestPhysAddr page;
  HostPhysAddr backing;
};

// Every 4 KiB page below `table`, whose indexes are at `shift`, that the guest can reach now.
void Collect(const MachineRam& ram, HostPhysAddr table, unsigned shift, std::uint64_t first,
             std::vector<MappedPage>& out) {
  constexpr std::uint64_t kTableOrPage = 3;
  for (std::size_t i = 0; i < kEntries; ++i) {
    const auto word = ram.Load({table.value + i * 8});
    if (!word || (*word & 3) != kTableOrPage) continue;
    const HostPhysAddr to{*word & kOutputAddress};
    const std::uint64_t page = first + (std::uint64_t{i} << shift);
    if (shift == kPageShift) {
      out.push_back({{page}, to});
    } else {
      Collect(ram, to, shift - 9, page, out);
    }
  }
}

// The guest page that holds a word for which `wanted` holds.
template <class Wanted>
std::optional<MappedPage> FindHolder(const MachineRam& ram, const std::vector<MappedPage>& pages,
                                     Wanted wanted) {
  for (const MappedPage& candidate : pages) {
    for (std::size_t i = 0; i < kEntries; ++i) {
      const auto word = ram.Load({candidate.backing.value + i * 8});
      if (word && wanted(*word)) return candidate;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<GuestTable>> FindGuestTables(const MachineRam& ram, GuestPhysAddr page,
                                                HostPhysAddr backing) {
  auto leaves = FindStageTwo(ram, page, backing);
  if (!leaves) return Forward(leaves);
  std::vector<MappedPage> pages;
  for (const StageTwoLeaf& leaf : *leaves) Collect(ram, leaf.root, leaf.root_shift, 0, pages);

  // Linux: page, user, shareable, accessed, nG. What points to a table has neither of the last
  // three.
  constexpr std::uint64_t kUserLeaf = 0xf43, kTableMask = 0x3ff, kTable = 3;
  constexpr int kHighestLevel = -1;
  std::vector<GuestTable> tables;
  auto holder = FindHolder(ram, pages, [&](std::uint64_t word) {
    return (word & kUserLeaf) == kUserLeaf && (word & kOutputAddress) == page.value;
  });
  for (int level = 3; holder && level >= kHighestLevel; --level) {
    tables.push_back({level, holder->page, holder->backing});
    holder = FindHolder(ram, pages, [child = holder->page](std::uint64_t word) {
      return (word & kTableMask) == kTable && (word & kOutputAddress) == child.value;
    });
  }
  if (tables.empty())
    return Fail(ErrorCode::kNotFound,
                fmt::format("no process in the guest has the page {:#x}", page.value));
  return tables;
}

}  // namespace seaward::lab
