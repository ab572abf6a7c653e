#include "tests/lab/poison/guest_tables.h"

#include <fmt/format.h>

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

// The guest pages that hold a word for which `wanted` holds.
template <class Wanted>
std::vector<MappedPage> FindHolders(const MachineRam& ram, const std::vector<MappedPage>& pages,
                                    Wanted wanted) {
  std::vector<MappedPage> holders;
  for (const MappedPage& candidate : pages) {
    for (std::size_t i = 0; i < kEntries; ++i) {
      const auto word = ram.Load({candidate.backing.value + i * 8});
      if (!word || !wanted(*word)) continue;
      holders.push_back(candidate);
      break;
    }
  }
  return holders;
}

// The longest way up from one of `holders`, tables of `level`: what a boot before a reset left in
// memory looks like a table, too, but seldom like all of them.
std::vector<GuestTable> LongestWay(const MachineRam& ram, const std::vector<MappedPage>& pages,
                                   const std::vector<MappedPage>& holders, int level) {
  // What points to a table is neither shareable nor a page of a user: bits 9:2 are 0.
  constexpr std::uint64_t kTableMask = 0x3ff, kTable = 3;
  constexpr int kHighestLevel = -1;
  std::vector<GuestTable> longest;
  if (level < kHighestLevel) return longest;
  for (const MappedPage& holder : holders) {
    const auto parents = FindHolders(ram, pages, [&](std::uint64_t word) {
      return (word & kTableMask) == kTable && (word & kOutputAddress) == holder.page.value;
    });
    auto way = LongestWay(ram, pages, parents, level - 1);
    way.insert(way.begin(), {level, holder.page, holder.backing});
    if (way.size() > longest.size()) longest = std::move(way);
  }
  return longest;
}

}  // namespace

Result<std::vector<GuestTable>> FindGuestTables(const MachineRam& ram, GuestPhysAddr page,
                                                HostPhysAddr backing) {
  auto leaves = FindStageTwo(ram, page, backing);
  if (!leaves) return Forward(leaves);
  std::vector<MappedPage> pages;
  for (const StageTwoLeaf& leaf : *leaves) Collect(ram, leaf.root, leaf.root_shift, 0, pages);

  // Linux: page, user, shareable, nG. Not the accessed flag: reclaim takes it away now and then.
  constexpr std::uint64_t kUserLeaf = 0xb43;
  const auto last = FindHolders(ram, pages, [&](std::uint64_t word) {
    return (word & kUserLeaf) == kUserLeaf && (word & kOutputAddress) == page.value;
  });
  auto tables = LongestWay(ram, pages, last, 3);
  if (tables.empty())
    return Fail(ErrorCode::kNotFound,
                fmt::format("no process in the guest has the page {:#x}", page.value));
  return tables;
}

}  // namespace seaward::lab
