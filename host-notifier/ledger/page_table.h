// The pages of the ledger as events make them. Part of Ledger: one object per call, inside the
// call's transaction.
#pragma once

#include <cstdint>
#include <optional>

#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/ledger_view.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class PageTable {
 public:
  PageTable(Database& db, LedgerView view, const LedgerLimits& limits)
      : db_(db), view_(view), limits_(limits) {}

  // The page of an event that is located, or of a suspicion that is confirmed now; nothing for any
  // other event. See Ledger::RecordEvent.
  Result<RecordedEvent> Record(const Uuid& incarnation, const PoisonEvent& event,
                               std::optional<PageFrame> host_frame,
                               std::optional<std::uint64_t> page_id);

  // The page of a guest's claim: one that holds it, or a new one, or none beyond the limit.
  struct Claimed {
    std::optional<std::uint64_t> fresh;
    bool refused = false;
  };
  Result<Claimed> Claim(const Uuid& incarnation, const protocol::KnownRecord& record, MonoTime now,
                        WallTime wall);

 private:
  // Whether a walk for another address than this event's failed in the same place before.
  Result<bool> WasSuspectedForAnother(const Uuid& incarnation, const PoisonEvent& event);
  Result<std::uint64_t> Holding(const Uuid& incarnation, const ByteRange& range);
  Result<RecordedEvent> Repeat(std::uint64_t id, const PoisonEvent& event,
                               std::optional<PageFrame> host_frame);
  Result<RecordedEvent> Insert(const Uuid& incarnation, const PoisonEvent& event,
                               const ByteRange& range, std::optional<PageFrame> host_frame,
                               std::optional<std::uint64_t> page_id);

  Database& db_;
  LedgerView view_;
  const LedgerLimits& limits_;
};

}  // namespace seaward::ledger
