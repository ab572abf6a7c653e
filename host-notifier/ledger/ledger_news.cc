// What a guest says beside its verdicts.
#include "host-notifier/ledger/ledger.h"
#include "host-notifier/ledger/loss_table.h"

namespace seaward::ledger {

// Of the boot that the incarnation is in.
Result<IncarnationRow> Ledger::LifeInBoot(const Uuid& incarnation, const Uuid& boot) {
  auto life = View().Incarnation(incarnation);
  if (!life) return Forward(life);
  if (!*life || (*life)->boot != boot)
    return Fail(ErrorCode::kInvalid, "news of another boot: " + FormatUuid(boot));
  return std::move(**life);
}

Result<std::uint64_t> Ledger::RecordLosses(const Uuid& incarnation, const Uuid& boot,
                                           const protocol::Losses& losses) {
  Result<std::uint64_t> stored = std::uint64_t{0};
  auto done = InOneCommit(WriteOperation::kRecordLosses, [&]() -> Status {
    const auto life = LifeInBoot(incarnation, boot);
    if (!life) return tl::unexpected<Error>(life.error());
    stored = LossTable(db_, clock_.WallNow(), limits_).Store(*life, losses);
    if (!stored) return Forward(stored);
    return {};
  });
  if (!done) return Forward(done);
  return stored;
}

Status Ledger::RecordBeforeKernel(const Uuid& incarnation, const Uuid& boot,
                                  const protocol::BeforeKernel& before) {
  return InOneCommit(WriteOperation::kRecordBeforeKernel, [&]() -> Status {
    const auto life = LifeInBoot(incarnation, boot);
    if (!life) return tl::unexpected<Error>(life.error());
    return Query(db_,
                 "UPDATE incarnation SET list_result = ?2, list_boots = ?3, listed_pages = ?4, "
                 "list_protected_pages = ?5 WHERE id = ?1",
                 incarnation, ToString(before.result), static_cast<std::int64_t>(before.boots),
                 before.listed_pages, before.protected_pages)
        .Run();
  });
}

}  // namespace seaward::ledger
