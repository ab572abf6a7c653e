// The shape of the ledger's tables, by version. A migration is never edited once released: the
// next shape is one more entry.
#pragma once

#include <span>

#include "base/result.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

// PRAGMA application_id of a ledger: "SWRD".
inline constexpr std::uint32_t kApplicationId = 0x53575244;

// Brings a database from version i to version i + 1, where i is its place in the list.
using Migration = const char*;
std::span<const Migration> Migrations();

// Runs what is missing, each step in its own transaction. kUnsupported for a version from the
// future; kInvalid for a database of another program.
Status Migrate(Database& database, std::span<const Migration> migrations);

}  // namespace seaward::ledger
