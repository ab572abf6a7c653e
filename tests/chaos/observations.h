// What observers that are not the code under test see: the ledger's rows by sqlite3(1), the guest's
// frames by its kernel, our processes by /proc.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/chaos/machines.h"

namespace seaward::chaos {

// A page of the memory that the guest has now.
struct LedgerRow {
  std::uint64_t id = 0;
  ByteRange range = ByteRange::Granule({});
  std::string life;
  std::string outcome;  // of the newest boot that gave a verdict
  std::string kind;
  std::string stage;
};

struct LedgerPicture {
  std::vector<std::string> open_incarnations;
  std::string boot;  // that the open incarnation is in
  std::vector<LedgerRow> rows;
  std::uint64_t rows_twice = 0;  // places that stand twice in one incarnation
  std::uint64_t exits = 0;       // of the open incarnation: the sum of its events' counts

  // Rows that are still wanted and overlap.
  std::vector<const LedgerRow*> About(const ByteRange& range) const;
};
Result<LedgerPicture> LookAtLedger(Machines& machines);

// This boot has said its last word about the page, or the last but a later try.
bool IsSettled(const LedgerRow& row);

using FlagSet = std::set<std::string>;
// Flags of each page, in that order.
Result<std::vector<FlagSet>> LookAtFrames(Machines& machines,
                                          const std::vector<GuestPhysAddr>& pages);

struct Usage {
  std::uint64_t rss_kb = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t cpu_ms = 0;
};
Result<Usage> UsageOfNotifier(Machines& machines);
Result<Usage> UsageOfAgent(Machines& machines);

}  // namespace seaward::chaos
