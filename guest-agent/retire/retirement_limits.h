// What the operator of this guest allows. Pure data.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace seaward::agent {

// What to do with a page inside of a hugetlb page that a process uses: hard-offlining one page of
// it loses all 2 MiB or 1 GiB.
enum class HugetlbAction {
  kRetire,
  kDefer,   // leave it until nobody uses it; then one page is lost
  kReport,  // leave it
};

struct AttemptRate {
  // Steps (an attempt or a look) in one second, in the long run, and how many may follow each other
  // at once. The agent runs before everything else: without a bound a host could keep a CPU busy.
  std::uint32_t per_second = 10000;
  std::uint32_t burst = 20000;
};

struct RetirementLimits {
  std::uint64_t budget_bytes = std::uint64_t{64} << 20;  // retired in one boot, at most
  unsigned node_percent = 100;                           // of the memory of each NUMA node, besides
  AttemptRate rate{};
  // Touch nothing: say what would have been done.
  bool account_only = false;
  HugetlbAction hugetlb = HugetlbAction::kRetire;
  std::chrono::milliseconds retry_initial{std::chrono::seconds(1)};
  std::chrono::milliseconds retry_max{std::chrono::minutes(5)};
  // A page of the kernel's is looked at, not attempted: whether it came out of its hands.
  std::chrono::milliseconds watch_initial{std::chrono::seconds(1)};
  std::chrono::milliseconds watch_max{std::chrono::minutes(1)};
  std::size_t watch_capacity = 1024;
  // Ranges that wait; the host keeps at most 32 KiB of frames outstanding, which is below 1,200.
  std::size_t queue_capacity = 4096;
  // Pages remembered in one boot; 4 KiB x 65,536 is far above any sane budget.
  std::size_t book_capacity = 65536;
  // Of hugetlb pages, bytes, ascending.
  std::vector<std::uint64_t> huge_sizes{};
};

}  // namespace seaward::agent
