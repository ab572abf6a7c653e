#include "host-notifier/ledger/verdict_table.h"

#include <fmt/format.h>

#include "host-notifier/ledger/stored_words.h"
#include "host-notifier/ledger/verdict_cover.h"

namespace seaward::ledger {
namespace {

using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;
using protocol::VerdictRecord;

}  // namespace

Status VerdictTable::Store(const PageRow& page, const IncarnationRow& life,
                           const VerdictRecord& record, MonoTime received) {
  Query count(db_, "SELECT count(*) FROM verdict WHERE page = ? AND boots = ?", page.id,
              life.boots);
  const auto counted = count.Next();
  if (!counted) return tl::unexpected<Error>(counted.error());
  if (count.Unsigned(0) >= limits_.verdicts_per_page)
    return Fail(ErrorCode::kLimit, fmt::format("more than {} verdicts on page {} in one boot",
                                               limits_.verdicts_per_page, page.id));
  return Query(db_,
               "INSERT INTO verdict(page, boots, boot, gpa, length, outcome, kind, stage, "
               "sys_errno, duration_ns, received_mono_ns, received_wall_ns) "
               "VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET "
               "outcome = excluded.outcome, kind = excluded.kind, stage = excluded.stage, "
               "sys_errno = excluded.sys_errno, duration_ns = excluded.duration_ns, "
               "received_mono_ns = excluded.received_mono_ns, "
               "received_wall_ns = excluded.received_wall_ns, times = times + 1",
               page.id, life.boots, *life.boot, record.range.start().value, record.range.length(),
               ToString(record.outcome), ToString(record.kind), ToString(record.stage),
               static_cast<std::int64_t>(record.sys_errno),
               static_cast<std::int64_t>(record.duration.count()), Ns(received), Ns(now_))
      .Run();
}

Result<std::vector<VerdictRecord>> VerdictTable::NewestFirst(const PageRow& page,
                                                             const IncarnationRow& life) {
  Query q(db_,
          "SELECT gpa, length, outcome, kind, stage, sys_errno FROM verdict "
          "WHERE page = ? AND boots = ? ORDER BY received_mono_ns DESC",
          page.id, life.boots);
  std::vector<VerdictRecord> records;
  for (;;) {
    const auto more = q.Next();
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return records;
    const auto range = ByteRange::Make(GuestPhysAddr{q.Unsigned(0)}, q.Unsigned(1));
    if (!range) continue;  // no version stores one
    VerdictRecord record;
    record.id = page.id;
    record.range = *range;
    record.outcome = FromWord<Outcome>(q.Text(2), kAllOutcomes, Outcome::kFailed);
    record.kind = FromWord<PageKind>(q.Text(3), kAllPageKinds, PageKind::kUnknown);
    record.stage = FromWord<Stage>(q.Text(4), kAllStages, Stage::kRun);
    record.sys_errno = static_cast<std::uint16_t>(q.Unsigned(5));
    records.push_back(record);
  }
}

Status VerdictTable::Settle(const PageRow& page, const IncarnationRow& life, MonoTime received) {
  const auto records = NewestFirst(page, life);
  if (!records) return tl::unexpected<Error>(records.error());
  const auto verdict = CoveringVerdict(page.range, *records);
  if (!verdict) return {};
  const PageEvent event = EventOf(verdict->outcome);
  const auto next = Advance(page.life, event);
  if (!next) return {};
  const auto protector = ProtectorOf(verdict->outcome, verdict->stage);
  Query update(db_,
               "UPDATE page SET life = ?2, outcome = ?3, kind = ?4, stage = ?5, sys_errno = ?6, "
               "protected_by = coalesce(?9, protected_by), exposure_ns = coalesce(exposure_ns, "
               "CASE WHEN ?7 THEN max(0, ?8 - first_mono_ns) END) WHERE id = ?1",
               page.id, ToString(*next), ToString(verdict->outcome), ToString(verdict->kind),
               ToString(verdict->stage), static_cast<std::int64_t>(verdict->sys_errno),
               // When the error of a page came that the guest alone named, nobody knows.
               verdict->outcome == Outcome::kRetired && page.located_by != LocatedBy::kGuest,
               Ns(received), protector ? std::optional(ToString(*protector)) : std::nullopt);
  if (auto done = update.Run(); !done) return done;
  if (*next != page.life) probe_.Moved(page.life, event);
  return {};
}

}  // namespace seaward::ledger
