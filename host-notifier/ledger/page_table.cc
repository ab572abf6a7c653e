#include "host-notifier/ledger/page_table.h"

#include <limits>

#include "base/mutants.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;
using protocol::PoisonEntry;

int Strength(Evidence evidence) {
  switch (evidence) {
    case Evidence::kPredicted:
      return 0;
    case Evidence::kLatent:
      return 1;
    case Evidence::kConsumed:
      return 2;
  }
  return 2;
}

// Corrected errors alone do not take a frame from the host.
HostRetired FirstHostState(Evidence evidence, std::optional<PageFrame> frame) {
  return frame && evidence != Evidence::kPredicted ? HostRetired::kPending : HostRetired::kNo;
}

// Where the granule that went bad lies in the VMM; unknown when its frame is.
std::optional<std::uint64_t> AddressOf(const PoisonEvent& event, std::optional<PageFrame> frame) {
  return frame ? std::optional(event.hva.value & ~(kPoisonGranule - 1)) : std::nullopt;
}

// The granules of `event`, when it has a place that a page row can hold.
std::optional<ByteRange> PlaceOf(const PoisonEvent& event) {
  constexpr auto kTop = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!event.range || event.range->last() > kTop) return std::nullopt;
  const ByteRange range = event.range->AlignedTo(kPoisonGranule);
  return range.length() <= kMaxRangeBytes ? std::optional(range) : std::nullopt;
}

}  // namespace

Result<RecordedEvent> PageTable::Record(const Uuid& incarnation, const PoisonEvent& event,
                                        std::optional<PageFrame> host_frame,
                                        std::optional<std::uint64_t> page_id) {
  const auto place = event.suspect ? event.suspect : PlaceOf(event);
  if (!place) return RecordedEvent{};
  const auto known = Holding(incarnation, *place);
  if (!known) return tl::unexpected<Error>(known.error());
  if (*known != 0) return Repeat(*known, event, host_frame);
  if (event.suspect) {
    const auto confirmed = WasSuspectedForAnother(incarnation, event);
    if (!confirmed) return tl::unexpected<Error>(confirmed.error());
    if (!*confirmed) return RecordedEvent{};
  }
  return Insert(incarnation, event, *place, host_frame, page_id);
}

// A suspicion is confirmed by a second event of its own: one that KVM located in the same page, or
// a walk for another address that failed at the same table (this one). The same access failing once
// more says nothing new: it would fail as well with the bad word in a table of the host.
Result<bool> PageTable::WasSuspectedForAnother(const Uuid& incarnation, const PoisonEvent& event) {
  Query q(db_,
          "SELECT EXISTS(SELECT 1 FROM event WHERE incarnation = ?1 AND location = 'suspected' "
          "AND gpa = ?2 AND (gva & ?4) != (?3 & ?4))",
          incarnation, event.suspect->start().value, event.gva.value_or(GuestVirtAddr{}).value,
          ~(kPoisonGranule - 1));
  const auto seen = q.Number();
  if (!seen) return tl::unexpected<Error>(seen.error());
  return *seen != 0;
}

// The id of the page that holds `range`, or 0.
Result<std::uint64_t> PageTable::Holding(const Uuid& incarnation, const ByteRange& range) {
  if (Lives(Mutant::kSecondRow)) return 0;
  // No row is longer than kMaxRangeBytes, so one that holds the range begins in this window.
  const std::int64_t start = static_cast<std::int64_t>(range.start().value);
  Query known(db_,
              "SELECT id FROM page WHERE incarnation = ?1 AND gpa <= ?2 AND gpa >= ?2 - ?4 "
              "AND gpa + length >= ?2 + ?3 AND life NOT IN ('cleared', 'closed') "
              "ORDER BY length LIMIT 1",
              incarnation, start, range.length(), kMaxRangeBytes);
  return known.Number();
}

Result<RecordedEvent> PageTable::Repeat(std::uint64_t id, const PoisonEvent& event,
                                        std::optional<PageFrame> host_frame) {
  const auto page = view_.Page(id);
  if (!page) return tl::unexpected<Error>(page.error());
  RecordedEvent recorded{.entry = page->Entry()};
  recorded.evidence_raised = Strength(event.evidence) > Strength(page->evidence);
  if (recorded.evidence_raised) recorded.entry->evidence = event.evidence;
  const auto frame = page->host_frame ? page->host_frame : host_frame;
  const HostRetired host = page->host_retired == HostRetired::kNo
                               ? FirstHostState(recorded.entry->evidence, frame)
                               : page->host_retired;
  const auto number = frame ? std::optional(frame->number) : std::nullopt;
  const auto address = page->host_address    ? std::optional(page->host_address->value)
                       : frame == host_frame ? AddressOf(event, host_frame)
                                             : std::nullopt;
  // KVM's own word, once it is there, stands above what a walk found.
  const LocatedBy by = event.range ? event.located_by() : page->located_by;
  // The first error of a page that a guest claimed is the first that the host hears of.
  const bool first = page->located_by == LocatedBy::kGuest;
  Query update(
      db_,
      "UPDATE page SET event_count = event_count + ?2, last_wall_ns = ?3, evidence = ?4, "
      "host_frame = ?5, host_retired = ?6, located_by = ?7, host_address = ?8, "
      "first_wall_ns = iif(?9, ?3, first_wall_ns), first_mono_ns = iif(?9, ?10, first_mono_ns) "
      "WHERE id = ?1",
      id, event.count, Ns(event.wall), ToString(recorded.entry->evidence), number, ToString(host),
      ToString(by), address, first, Ns(event.when));
  if (auto done = update.Run(); !done) return Forward(done);
  return recorded;
}

Result<PageTable::Claimed> PageTable::Claim(const Uuid& incarnation,
                                            const protocol::KnownRecord& record, MonoTime now,
                                            WallTime wall) {
  const auto known = Holding(incarnation, record.range);
  if (!known) return tl::unexpected<Error>(known.error());
  if (*known != 0) return Claimed{};
  Query count(db_, "SELECT count(*) FROM page WHERE incarnation = ? AND located_by = 'guest'",
              incarnation);
  const auto claims = count.Number();
  if (!claims) return tl::unexpected<Error>(claims.error());
  if (*claims >= limits_.claims_per_incarnation) return Claimed{std::nullopt, true};
  // Of an earlier boot: this one has not heard of it, and is told to replay it.
  const PageLife life = record.this_boot ? PageLife::kReported : PageLife::kToReplay;
  Query insert(db_,
               "INSERT INTO page(incarnation, gpa, length, evidence, life, event_count, "
               "first_mono_ns, first_wall_ns, last_wall_ns, first_boots, host_retired, located_by) "
               "SELECT ?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?7, boots - iif(?8, 0, 1), ?9, ?10 "
               "FROM incarnation WHERE id = ?1",
               incarnation, record.range.start().value, record.range.length(),
               ToString(record.evidence), ToString(life), Ns(now), Ns(wall), record.this_boot,
               ToString(HostRetired::kNo), ToString(LocatedBy::kGuest));
  if (auto done = insert.Run(); !done) return Forward(done);
  return Claimed{static_cast<std::uint64_t>(db_.LastRowId()), false};
}

Result<RecordedEvent> PageTable::Insert(const Uuid& incarnation, const PoisonEvent& event,
                                        const ByteRange& range, std::optional<PageFrame> host_frame,
                                        std::optional<std::uint64_t> page_id) {
  Query count(db_, "SELECT count(*) FROM page WHERE incarnation = ?", incarnation);
  const auto pages = count.Number();
  if (!pages) return tl::unexpected<Error>(pages.error());
  if (*pages >= limits_.pages_per_incarnation)
    return RecordedEvent{.entry = std::nullopt, .limit_reached = true};
  const auto number = host_frame ? std::optional(host_frame->number) : std::nullopt;
  Query insert(db_,
               "INSERT INTO page(id, incarnation, gpa, length, evidence, life, event_count, "
               "first_mono_ns, first_wall_ns, last_wall_ns, first_boots, host_frame, host_retired, "
               "located_by, host_address) "
               "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, boots, ?10, ?11, ?12, ?13 "
               "FROM incarnation WHERE id = ?2",
               page_id, incarnation, range.start().value, range.length(), ToString(event.evidence),
               ToString(PageLife::kReported), event.count, Ns(event.when), Ns(event.wall), number,
               ToString(FirstHostState(event.evidence, host_frame)), ToString(event.located_by()),
               AddressOf(event, host_frame));
  if (auto done = insert.Run(); !done) return Forward(done);
  if (db_.Changes() == 0) return Fail(ErrorCode::kInvalid, "ledger: no such incarnation");
  const auto id = static_cast<std::uint64_t>(db_.LastRowId());
  return RecordedEvent{.entry = PoisonEntry{id, range, event.evidence, false}, .is_new = true};
}

}  // namespace seaward::ledger
