// A ledger that began because the one before was corrupt, and what guests bring back into it.
#include <algorithm>
#include <chrono>

#include "host-notifier/ledger/audit_table.h"
#include "host-notifier/ledger/ledger.h"
#include "host-notifier/ledger/page_table.h"

namespace seaward::ledger {
namespace {

AuditRow AuditOf(const IncarnationRow& life, std::uint64_t pages, WallTime now) {
  AuditRow row;
  row.when = now;
  row.action = OperatorAction::kRebuild;
  row.who = "guest";
  row.vm = life.vm.uuid;
  row.pages = pages;
  row.reason = "the ledger was corrupt; the guest said what it knows of its memory";
  return row;
}

}  // namespace

Status Ledger::NoteRebuild(const std::string& set_aside, const std::string& why) {
  const WallTime now = clock_.WallNow();
  Query note(db_,
             "INSERT INTO rebuild(wall_ns, set_aside, why, host_boot, mono_ns) "
             "VALUES(?, ?, ?, ?, ?)",
             Ns(now), set_aside, why, host_boot_, Ns(clock_.Now()));
  if (auto done = note.Run(); !done) return done;
  // Guests remember the ids of the ledger that is lost: they must not name other pages. A million
  // pages a second are fewer than anybody had; JSON's numbers hold it for centuries.
  constexpr int kIdsPerSecond = 20;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  const std::int64_t used = std::max<std::int64_t>(seconds.count(), 0) << kIdsPerSecond;
  return Query(db_, "INSERT INTO sqlite_sequence(seq, name) VALUES(?, 'page')", used).Run();
}

Result<RecordedClaims> Ledger::RecordClaims(const Uuid& incarnation, const Uuid& boot,
                                            const protocol::Known& known) {
  RecordedClaims recorded;
  auto done = InOneCommit(WriteOperation::kRecordClaims, [&]() -> Status {
    recorded = {};
    auto life = View().Incarnation(incarnation);
    if (!life) return Forward(life);
    if (!*life || (*life)->boot != boot || !(*life)->recall_due)
      return Fail(ErrorCode::kInvalid, "a guest's claims that nobody asked for");
    for (const protocol::KnownRecord& record : known.records)
      if (auto taken = TakeClaim(incarnation, record, recorded); !taken) return taken;
    Query count(db_, "UPDATE rebuild SET pages = pages + ?", recorded.pages.size());
    if (auto counted = count.Run(); !counted) return counted;
    return known.last ? EndRecall(**life, recorded) : Status();
  });
  if (!done) return Forward(done);
  return recorded;
}

Status Ledger::TakeClaim(const Uuid& incarnation, const protocol::KnownRecord& record,
                         RecordedClaims& recorded) {
  auto claimed =
      PageTable(db_, View(), limits_).Claim(incarnation, record, clock_.Now(), clock_.WallNow());
  if (!claimed) return Forward(claimed);
  if (claimed->refused) {
    ++recorded.refused;
  } else if (!claimed->fresh) {
    ++recorded.known;
  } else {
    auto page = View().Page(*claimed->fresh);
    if (!page) return Forward(page);
    recorded.pages.push_back(std::move(*page));
  }
  return {};
}

Status Ledger::EndRecall(const IncarnationRow& life, RecordedClaims& recorded) {
  Query count(db_, "SELECT count(*) FROM page WHERE incarnation = ? AND located_by = 'guest'",
              life.id);
  const auto all = count.Number();
  if (!all) return tl::unexpected<Error>(all.error());
  recorded.all = *all;
  Query over(db_, "DELETE FROM recall WHERE incarnation = ?", life.id);
  if (auto done = over.Run(); !done) return done;
  return AuditTable(db_).Store(AuditOf(life, *all, clock_.WallNow()));
}

}  // namespace seaward::ledger
