#include "host-notifier/ledger/alarm_table.h"

namespace seaward::ledger {

Result<bool> AlarmTable::IsRaised(const Uuid& vm, AlarmKind kind) {
  Query newest(db_, "SELECT raised FROM alarm WHERE vm = ? AND kind = ? ORDER BY id DESC LIMIT 1",
               vm, ToString(kind));
  const auto found = newest.Next();
  if (!found) return tl::unexpected<Error>(found.error());
  return *found && newest.Signed(0) != 0;
}

Result<std::optional<AlarmRow>> AlarmTable::Store(const VmIdentity& vm, AlarmKind kind,
                                                  bool raised) {
  const auto before = IsRaised(vm.uuid, kind);
  if (!before) return tl::unexpected<Error>(before.error());
  if (*before == raised) return std::optional<AlarmRow>();
  Query insert(db_, "INSERT INTO alarm(vm, kind, raised, wall_ns) VALUES(?, ?, ?, ?)", vm.uuid,
               ToString(kind), raised, Ns(now_));
  if (auto done = insert.Run(); !done) return Forward(done);
  const auto id = static_cast<std::uint64_t>(db_.LastRowId());
  if (auto done = MakeRoom(vm.uuid); !done) return Forward(done);
  return std::optional(AlarmRow{id, vm, kind, raised, now_});
}

// The oldest go; the newest of each kind, which says how it stands, is never among them unless the
// other kind changed that often.
Status AlarmTable::MakeRoom(const Uuid& vm) {
  return Query(db_,
               "DELETE FROM alarm WHERE vm = ?1 AND id <= "
               "(SELECT id FROM alarm WHERE vm = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
               vm, limits_.alarm_rows_per_vm)
      .Run();
}

}  // namespace seaward::ledger
