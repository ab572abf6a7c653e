// How much the ledger keeps. Guests and VMMs decide how much there is to record, so everything that
// they can make grow has a bound.
#pragma once

#include <cstdint>

namespace seaward::ledger {

// One page row; longer reports are recorded as events only.
inline constexpr std::uint64_t kMaxRangeBytes = std::uint64_t{1} << 30;

struct LedgerLimits {
  std::uint32_t pages_per_incarnation = 65536;
  // Of the pages above: known by the guest's word alone. As many as an agent's journal holds.
  std::uint32_t claims_per_incarnation = 16384;
  std::uint32_t event_rows_per_vm = 20000;    // beyond: the oldest make room
  std::uint32_t event_prune_lot = 1000;       // at once, so that a full table costs little
  std::uint32_t alarm_rows_per_vm = 1000;     // the same
  std::uint32_t loss_rows_per_vm = 1000;      // the same
  std::uint32_t decision_rows_per_vm = 1000;  // the same; open ones stay
  std::uint32_t incarnations_per_vm = 32;     // beyond: the oldest ended are dropped
  std::uint32_t verdict_boots_kept = 16;      // of one incarnation
  std::uint32_t verdicts_per_page = 4096;     // of one boot
};

}  // namespace seaward::ledger
