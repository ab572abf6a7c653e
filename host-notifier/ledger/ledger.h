// The durable record of every bad page: SQLite in WAL mode with synchronous=FULL. What a call
// acknowledges survives kill -9 and a power cut.
//
// One thread at a time (the ledger thread); every call is one short transaction. Errors:
//   kNoSpace  the disk is full. Nothing of the call was recorded; the caller keeps what it holds
//             and calls again later. The ledger itself stays usable.
//   kCorrupt  the file fails its checks while open. Open it anew: that sets it aside.
//   kLimit    a bound of ledger_limits.h: nothing was recorded, and trying again is of no use.
//   kInvalid  the call contradicts the ledger (an unknown id, a stale boot): nothing was recorded.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "host-notifier/ledger/decision_table.h"
#include "host-notifier/ledger/incarnation_table.h"
#include "host-notifier/ledger/ledger_export.h"
#include "host-notifier/ledger/ledger_import.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_probe.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/ledger_view.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

struct LedgerFile;

struct OpenedIncarnation {
  Uuid id;
  bool is_new = false;
};

class Ledger {
 public:
  struct Opened;

  // `host_boot`: /proc/sys/kernel/random/boot_id of the host; incarnations of another host boot are
  // ended. Takes a lock beside the file: kBusy while another notifier has it. A corrupt file is
  // renamed to PATH.corrupt-SECONDS (with its WAL) and a new ledger begun: Opened::set_aside says
  // so, the caller says it loudly. kUnsupported for a newer schema, which is left alone.
  // `probe`, when there is one, outlives the ledger.
  static Result<Opened> Open(const std::string& path, const Uuid& host_boot, const Clock& clock,
                             const LedgerLimits& limits = {}, LedgerProbe* probe = nullptr);

  // The calls that `work` makes become durable in one commit, which costs what one call costs
  // alone. A call that fails leaves the others as they are; when `work` or the commit fails,
  // nothing of it was recorded.
  Status Together(const std::function<Status()>& work);

  // The incarnation of this process; ends every other one of the VM that is still open. The same
  // process again is the same incarnation, even when it was ended by mistake.
  // With kFixed a new incarnation begins with the pages that were bad when the one before ended.
  Result<OpenedIncarnation> BeginIncarnation(const VmIdentity& vm, const ProcessIdentity& vmm,
                                             Backing backing = Backing::kFresh);
  // The memory is gone: its pages are closed. Frames still pending stay so.
  Status EndIncarnation(const Uuid& incarnation);

  // Ids for pages which do not exist yet, so that an entry can be sent before its row is in.
  // Reserved ids are never given again. Returns the first of `count`.
  Result<std::uint64_t> ReservePageIds(std::uint32_t count);

  // Records the event and, when it is located or a suspicion confirmed, its page: a known page that
  // holds the range, or a new one under `page_id` (nullopt: the ledger chooses).
  Result<RecordedEvent> RecordEvent(const Uuid& incarnation, const PoisonEvent& event,
                                    std::optional<PageFrame> host_frame,
                                    std::optional<std::uint64_t> page_id = std::nullopt);

  // These entries were written to the guest's channel.
  Status RecordDelivered(std::span<const std::uint64_t> pages);

  // True when this boot is new to the incarnation's newest: its pages are to be replayed.
  Result<bool> BeginBoot(const Uuid& incarnation, const Uuid& boot);

  // `received`: when the record arrived; exposure ends there. Parts of an entry add up; the page
  // changes its life when all of it is answered. Returns the page as it is now.
  Result<RecordedVerdict> RecordVerdict(const Uuid& incarnation, const Uuid& boot,
                                        const protocol::VerdictRecord& record, MonoTime received);

  // What the guest of this incarnation says it knows of its memory, frame by frame. Claims: pages
  // that only they name are located_by kGuest, count for no rule of the policy and take no frame
  // from the host. The last frame is the end of the asking (IncarnationRow::recall_due), with a row
  // of the audit. kInvalid when nobody asked.
  Result<RecordedClaims> RecordClaims(const Uuid& incarnation, const Uuid& boot,
                                      const protocol::Known& known);

  // Processes that lost pages, by the word of this incarnation's guest. Returns how many are on
  // record; the oldest of the VM make room (LedgerLimits::loss_rows_per_vm).
  Result<std::uint64_t> RecordLosses(const Uuid& incarnation, const Uuid& boot,
                                     const protocol::Losses& losses);
  // What the guest says of the list of this boot; the next boot forgets it.
  Status RecordBeforeKernel(const Uuid& incarnation, const Uuid& boot,
                            const protocol::BeforeKernel& before);

  Status RecordHostRetirement(std::uint64_t page, HostRetired state, int host_errno);
  // What became of the order to replace the page. kHealed clears it: it is no longer
  // wanted in this incarnation. Returns the page as it is now.
  Result<PageRow> RecordHeal(std::uint64_t page, HealState state, std::string_view reason);

  // A change of an alarm of a VM that the ledger has met. nullopt: it stands like that already.
  Result<std::optional<AlarmRow>> RecordAlarm(const VmIdentity& vm, AlarmKind kind, bool raised);

  // An operator says that the wanted pages which lie inside `range` are good memory, for
  // `entry.reason`. One commit with its audit row. kNotFound when there is none. Returns the pages
  // as they are now.
  Result<std::vector<PageRow>> ClearPages(const Uuid& incarnation, const ByteRange& range,
                                          const AuditRow& entry);
  Status RecordAudit(const AuditRow& entry);
  // Removes one small batch of what need not be kept. Returns how many rows; 0: nothing is left.
  Result<std::uint64_t> Retain(const RetentionPolicy& policy);
  // Takes records of another ledger: all of one batch or, on an error of the disk, none. The answer
  // has one entry per record.
  Result<std::vector<ImportedRecord>> Import(ImportSession& session,
                                             std::span<const LedgerRecord> records);

  // Every row as it stands now, read beside the writes.
  Result<std::unique_ptr<LedgerExport>> BeginExport() const;

  // Decisions of the policy. Valid as long as the ledger; `now` is of this moment.
  DecisionTable Decisions() { return {db_, clock_.WallNow(), limits_}; }

  // Reading. Valid as long as the ledger.
  LedgerView View() { return LedgerView(db_, host_boot_); }

 private:
  Ledger(LedgerFile file, std::string path, const Uuid& host_boot, const Clock& clock,
         const LedgerLimits& limits, LedgerProbe* probe);
  IncarnationTable Incarnations();
  Status InOneCommit(WriteOperation operation, const std::function<Status()>& work);
  // Writes the life that follows; false: nothing follows, and nothing was written.
  Result<bool> MoveOne(const PageRow& page, PageEvent event);
  Status InsertEvent(const Uuid& incarnation, const PoisonEvent& event,
                     std::optional<std::uint64_t> page);
  Status PruneEvents(const Uuid& incarnation);
  Result<IncarnationRow> LifeInBoot(const Uuid& incarnation, const Uuid& boot);
  Status NoteRebuild(const std::string& set_aside, const std::string& why);
  Status TakeClaim(const Uuid& incarnation, const protocol::KnownRecord& record,
                   RecordedClaims& recorded);
  Status EndRecall(const IncarnationRow& life, RecordedClaims& recorded);

  const std::string path_;
  UniqueFd lock_;
  Database db_;
  Uuid host_boot_;
  const Clock& clock_;
  LedgerLimits limits_;
  LedgerProbe silent_;
  LedgerProbe& probe_;
  bool together_ = false;
};

struct Ledger::Opened {
  std::unique_ptr<Ledger> ledger;
  std::optional<std::string> set_aside;  // where the corrupt file is now
  std::string why;                       // what was wrong with it
};

}  // namespace seaward::ledger
