#include "host-notifier/ledger/audit_table.h"

namespace seaward::ledger {

Status AuditTable::Store(const AuditRow& entry) {
  const auto gpa = entry.range ? std::optional(entry.range->start().value) : std::nullopt;
  const auto length = entry.range ? std::optional(entry.range->length()) : std::nullopt;
  return Query(db_,
               "INSERT INTO audit(wall_ns, action, uid, pid, who, vm, gpa, length, pages, reason) "
               "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               Ns(entry.when), ToString(entry.action), static_cast<std::int64_t>(entry.uid),
               static_cast<std::int64_t>(entry.pid), entry.who, entry.vm, gpa, length, entry.pages,
               entry.reason)
      .Run();
}

}  // namespace seaward::ledger
