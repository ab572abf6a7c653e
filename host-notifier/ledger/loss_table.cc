#include "host-notifier/ledger/loss_table.h"

#include <algorithm>
#include <limits>

namespace seaward::ledger {

Result<std::uint64_t> LossTable::Store(const IncarnationRow& life, const protocol::Losses& losses) {
  constexpr std::uint64_t kTop = std::numeric_limits<std::int64_t>::max();
  std::uint64_t stored = 0;
  for (const protocol::Loss& loss : losses.losses) {
    Query insert(db_,
                 "INSERT INTO loss(incarnation, page, boot, gpa, length, lost_bytes, pid, comm, "
                 "cgroup, wall_ns) SELECT incarnation, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 "
                 "FROM page WHERE id = ?2 AND incarnation = ?1",
                 life.id, loss.id, *life.boot, loss.range.start().value, loss.range.length(),
                 std::min(loss.lost_bytes, kTop), loss.pid, loss.comm, loss.cgroup, Ns(now_));
    if (auto done = insert.Run(); !done) return Forward(done);
    stored += static_cast<std::uint64_t>(db_.Changes());
  }
  if (auto done = MakeRoom(life.vm.uuid); !done) return Forward(done);
  return stored;
}

// The oldest go.
Status LossTable::MakeRoom(const Uuid& vm) {
  return Query(db_,
               "DELETE FROM loss WHERE id IN (SELECT l.id FROM incarnation i JOIN loss l "
               "ON l.incarnation = i.id WHERE i.vm = ?1 ORDER BY l.id DESC LIMIT -1 OFFSET ?2)",
               vm, limits_.loss_rows_per_vm)
      .Run();
}

}  // namespace seaward::ledger
