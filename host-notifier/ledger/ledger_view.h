// Questions to the ledger. Same thread and lifetime as the Ledger that made it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

struct PageFilter {
  std::optional<Uuid> vm;
  bool with_closed = false;  // pages of ended incarnations and cleared ones too
  std::uint32_t limit = 65536;
};

struct EventFilter {
  std::optional<Uuid> vm;
  std::uint64_t after_id = 0;  // only newer ones, oldest first; 0: the newest `limit`
  std::uint32_t limit = 1000;
};

class LedgerView {
 public:
  LedgerView(Database& db, const Uuid& host_boot) : db_(db), host_boot_(host_boot) {}

  // By UUID or by name (the newest of that name); nullopt when the ledger never met it.
  Result<std::optional<VmRow>> FindVm(std::string_view name_or_uuid);
  Result<std::vector<VmRow>> Vms();
  // Not ended: after a restart of the notifier the caller checks which processes still live.
  Result<std::vector<IncarnationRow>> OpenIncarnations();
  Result<std::optional<IncarnationRow>> Incarnation(const Uuid& id);
  // What the guest of this incarnation must retire, oldest first.
  Result<std::vector<protocol::PoisonEntry>> WantedPages(const Uuid& incarnation);
  // kNotFound for an unknown id.
  Result<PageRow> Page(std::uint64_t id);
  Result<std::vector<PageRow>> Pages(const PageFilter& filter);
  Result<std::vector<EventRow>> Events(const EventFilter& filter);
  // The newest changes of alarms, oldest first.
  Result<std::vector<AlarmRow>> Alarms(const std::optional<Uuid>& vm, std::uint32_t limit);
  // Wanted ones of one incarnation that lie inside `range` completely.
  Result<std::vector<PageRow>> PagesInside(const Uuid& incarnation, const ByteRange& range);
  // The newest, oldest first.
  Result<std::vector<AuditRow>> Audit(std::uint32_t limit);
  // Of the newest corrupt predecessor; nullopt: this ledger has none.
  Result<std::optional<RebuildRow>> Rebuild();
  Result<UnhealedMemory> Unhealed(const Uuid& incarnation);
  // Of every VM whose incarnation is open, or of one.
  Result<std::vector<PageCount>> CountPages(const std::optional<Uuid>& vm = std::nullopt);
  // The newest of a VM, oldest first.
  Result<std::vector<LossRow>> Losses(const Uuid& vm, std::uint32_t limit);
  // The place of a page whose frame this is; nullopt: none, or one that spans more than it.
  Result<std::optional<ByteRange>> RangeOnFrame(const Uuid& incarnation, PageFrame frame);
  // Frames that were to be taken away from the host in this host boot, and what it answered.
  Result<std::vector<PageFrame>> TriedFrames();
  // Frames recorded in this host boot and not yet retired, of living and ended VMs.
  Result<std::vector<PendingFrame>> PendingHostRetirements();

 private:
  Database& db_;
  Uuid host_boot_;
};

}  // namespace seaward::ledger
