// Where a write stands, told to whoever tests what a crash there leaves behind. Every write of the
// ledger has these places, and every way of a page's life is written at one: a test walks all.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "host-notifier/ledger/page_life.h"

namespace seaward::ledger {

// One commit each.
enum class WriteOperation {
  kOpen,  // what opening ends and notes
  kBeginIncarnation,
  kEndIncarnation,
  kBeginBoot,
  kReservePageIds,
  kRecordEvent,
  kRecordDelivered,
  kRecordVerdict,
  kRecordHostRetirement,
  kRecordHeal,
  kRecordAlarm,
  kClearPages,
  kRecordAudit,
  kRecordClaims,
  kRecordLosses,
  kRecordBeforeKernel,
  kImport,
  kRetain,
};
inline constexpr WriteOperation kAllWriteOperations[] = {WriteOperation::kOpen,
                                                         WriteOperation::kBeginIncarnation,
                                                         WriteOperation::kEndIncarnation,
                                                         WriteOperation::kBeginBoot,
                                                         WriteOperation::kReservePageIds,
                                                         WriteOperation::kRecordEvent,
                                                         WriteOperation::kRecordDelivered,
                                                         WriteOperation::kRecordVerdict,
                                                         WriteOperation::kRecordHostRetirement,
                                                         WriteOperation::kRecordHeal,
                                                         WriteOperation::kRecordAlarm,
                                                         WriteOperation::kClearPages,
                                                         WriteOperation::kRecordAudit,
                                                         WriteOperation::kRecordClaims,
                                                         WriteOperation::kRecordLosses,
                                                         WriteOperation::kRecordBeforeKernel,
                                                         WriteOperation::kImport,
                                                         WriteOperation::kRetain};
std::string_view ToString(WriteOperation operation);

enum class CommitMoment {
  kBegun,      // the lock is taken, nothing is written
  kWorked,     // everything is written, nothing committed
  kCommitted,  // durable; the caller does not know yet
};
inline constexpr CommitMoment kAllCommitMoments[] = {CommitMoment::kBegun, CommitMoment::kWorked,
                                                     CommitMoment::kCommitted};
std::string_view ToString(CommitMoment moment);

// Thread: that of the ledger's call. The base class hears and does nothing.
class LedgerProbe {
 public:
  virtual ~LedgerProbe() = default;
  virtual void Reached(WriteOperation /*operation*/, CommitMoment /*moment*/) {}
  // A page's row says the next life, inside a transaction that is not committed.
  virtual void Moved(PageLife /*from*/, PageEvent /*event*/) {}
};

// Every cell of the table in page_life.h that changes a page's life.
struct LifeChange {
  PageLife from;
  PageEvent event;
  PageLife to;
};
std::vector<LifeChange> AllLifeChanges();

}  // namespace seaward::ledger
