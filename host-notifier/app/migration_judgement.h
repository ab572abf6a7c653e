// Whether a VM may be migrated, saved, dumped or snapshot with its memory: all of these read every
// page of it, in the host, where nothing survives bad data. Pure.
#pragma once

#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/observe/snapshot.h"

namespace seaward {

struct MigrationFacts {
  ledger::UnhealedMemory unhealed;
  std::uint64_t not_yet_recorded = 0;  // events on their way to the ledger
  std::uint64_t lost = 0;              // exits that a full ring dropped
};

observe::MigrationState JudgeMigration(const MigrationFacts& facts);
// Of a VM that runs, before its record is known.
observe::MigrationState MigrationNotKnownYet();

}  // namespace seaward
