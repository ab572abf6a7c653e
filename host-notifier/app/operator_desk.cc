#include "host-notifier/app/operator_desk.h"

#include <map>
#include <utility>

#include "host-notifier/app/live_status.h"
#include "host-notifier/app/memory_return.h"
#include "host-notifier/classify/classify.h"

namespace seaward {
namespace {

using observe::StatusSnapshot;
using observe::VmSnapshot;

Error Unknown(const std::string& vm) {
  return Error{ErrorCode::kNotFound, 0, "no VM is called '" + vm + "'"};
}

// In one answer: the notifier holds some 200 MB for it, and gives them back afterwards.
constexpr std::uint32_t kMostPages = 200'000;

// By then the answer is written, or the client has lost our patience.
constexpr std::chrono::seconds kAnswerGone{15};

// As many as it keeps of a VM.
constexpr std::uint32_t kMostLosses = ledger::LedgerLimits{}.loss_rows_per_vm;

// What the ledger adds to a status: rows of the live VMs, and VMs that are not there now.
struct Rows {
  std::vector<ledger::VmRow> vms;
  std::vector<ledger::PageRow> pages;
  std::optional<ledger::RebuildRow> rebuild;
  std::vector<ledger::IncarnationRow> open;
  std::optional<std::vector<ledger::PageCount>> counts;
  std::optional<std::vector<ledger::LossRow>> losses;
};

// What is read only when pages, or one VM, are asked for.
Status ReadCoverage(ledger::LedgerView view, const std::optional<Uuid>& only, bool with_pages,
                    Rows& rows) {
  if (with_pages || only) {
    auto counts = view.CountPages(only);
    if (!counts) return Forward(counts);
    rows.counts = std::move(*counts);
  }
  if (only) {
    auto losses = view.Losses(*only, kMostLosses);
    if (!losses) return Forward(losses);
    rows.losses = std::move(*losses);
  }
  return {};
}

Result<Rows> ReadRows(ledger::Ledger& ledger, const std::optional<Uuid>& only, bool with_pages) {
  ledger::LedgerView view = ledger.View();
  auto vms = view.Vms();
  if (!vms) return Forward(vms);
  auto pages =
      with_pages ? view.Pages({.vm = only, .limit = kMostPages}) : std::vector<ledger::PageRow>();
  if (!pages) return Forward(pages);
  auto rebuild = view.Rebuild();
  if (!rebuild) return Forward(rebuild);
  auto open = view.OpenIncarnations();
  if (!open) return Forward(open);
  Rows rows{std::move(*vms), std::move(*pages), std::move(*rebuild), std::move(*open), {}, {}};
  if (auto read = ReadCoverage(view, only, with_pages, rows); !read) return Forward(read);
  return rows;
}

Result<observe::EventsSnapshot> ReadEvents(ledger::Ledger& ledger,
                                           const ledger::EventFilter& wanted) {
  ledger::LedgerView view = ledger.View();
  auto events = view.Events(wanted);
  if (!events) return Forward(events);
  auto alarms = view.Alarms(wanted.vm, wanted.limit);
  if (!alarms) return Forward(alarms);
  return observe::EventsSnapshot{std::move(*events), std::move(*alarms)};
}

void Join(StatusSnapshot& status, Rows rows, const std::optional<Uuid>& only) {
  status.pages_complete = rows.pages.size() < kMostPages;
  JoinBootLists(status, rows.open);
  status.rebuild = std::move(rows.rebuild);
  std::map<Uuid, VmSnapshot> by_uuid;
  for (VmSnapshot& vm : status.vms) by_uuid.insert_or_assign(vm.vm.uuid, std::move(vm));
  for (ledger::VmRow& row : rows.vms) {
    auto [at, added] = by_uuid.try_emplace(row.vm.uuid);
    if (added) {
      at->second.vm = row.vm;
      at->second.session = "none";
    }
    at->second.events_pruned = row.events_pruned;
    if (rows.counts) at->second.counts.emplace();
  }
  for (const ledger::PageCount& count : rows.counts.value_or(std::vector<ledger::PageCount>()))
    if (const auto at = by_uuid.find(count.vm); at != by_uuid.end())
      at->second.counts->push_back(count);
  if (rows.losses)
    if (const auto at = by_uuid.find(*only); at != by_uuid.end())
      at->second.losses = std::move(rows.losses);
  for (ledger::PageRow& page : rows.pages) {
    const auto at = by_uuid.find(page.vm.uuid);
    if (at != by_uuid.end()) at->second.pages.push_back(std::move(page));
  }
  status.vms.clear();
  for (auto& [uuid, vm] : by_uuid)
    if (!only || uuid == *only) status.vms.push_back(std::move(vm));
}

}  // namespace

void OperatorDesk::FindVm(const std::string& name_or_uuid,
                          std::function<void(Result<ledger::VmIdentity>)> done) {
  if (const auto vm = notifier_.FindVm(name_or_uuid)) return done(vm->identity());
  notifier_.ledger().Read<std::optional<ledger::VmRow>>(
      [name_or_uuid](ledger::Ledger& l) { return l.View().FindVm(name_or_uuid); },
      [name_or_uuid, done = std::move(done)](Result<std::optional<ledger::VmRow>> row) {
        if (!row) return done(Forward(row));
        if (!*row) return done(tl::unexpected<Error>(Unknown(name_or_uuid)));
        done((*row)->vm);
      });
}

void OperatorDesk::GetStatus(const observe::StatusRequest& request,
                             std::function<void(Result<StatusSnapshot>)> done) {
  const auto answer = [this, done, pages = request.with_pages](const std::optional<Uuid>& only) {
    notifier_.ledger().Read<Rows>(
        [only, pages](ledger::Ledger& l) { return ReadRows(l, only, pages); },
        [this, only, pages, done](Result<Rows> rows) {
          if (!rows) return done(Forward(rows));
          StatusSnapshot status = LiveStatus(notifier_);
          status.with_pages = pages;
          Join(status, std::move(*rows), only);
          done(std::move(status));
          if (pages && !only) trim_.Start(kAnswerGone, [] { ReturnFreeMemory(); });
        });
  };
  if (!request.vm) return answer(std::nullopt);
  FindVm(*request.vm, [answer, done](Result<ledger::VmIdentity> vm) {
    if (!vm) return done(Forward(vm));
    answer(vm->uuid);
  });
}

void OperatorDesk::GetEvents(const observe::EventsRequest& request,
                             std::function<void(Result<observe::EventsSnapshot>)> done) {
  ledger::EventFilter filter;
  filter.after_id = request.after_id;
  filter.limit = request.limit;
  const auto answer = [this, done](const ledger::EventFilter& wanted) {
    notifier_.ledger().Read<observe::EventsSnapshot>(
        [wanted](ledger::Ledger& l) { return ReadEvents(l, wanted); }, done);
  };
  if (!request.vm) return answer(filter);
  FindVm(*request.vm, [answer, done, filter](Result<ledger::VmIdentity> vm) mutable {
    if (!vm) return done(Forward(vm));
    filter.vm = vm->uuid;
    answer(filter);
  });
}

void OperatorDesk::JudgeMigration(const observe::MigrationRequest& request,
                                  std::function<void(Result<observe::MigrationReport>)> done) {
  if (const auto vm = notifier_.FindVm(request.vm)) {
    return vm->JudgeMigration([vm, done](Result<observe::MigrationState> state) {
      if (!state) return done(Forward(state));
      done(observe::MigrationReport{vm->identity(), vm->running(), std::move(*state)});
    });
  }
  FindVm(request.vm, [done](Result<ledger::VmIdentity> vm) {
    if (!vm) return done(Forward(vm));
    done(observe::MigrationReport{std::move(*vm), false, {}});  // known from earlier; gone now
  });
}

void OperatorDesk::Explain(const observe::ExplainRequest& request,
                           std::function<void(Result<observe::PolicyReport>)> done) {
  FindVm(request.vm, [this, done = std::move(done)](Result<ledger::VmIdentity> vm) {
    if (!vm) return done(Forward(vm));
    notifier_.policy().Explain(*vm, done);
  });
}

void OperatorDesk::Report(const observe::ReportRequest& request,
                          std::function<void(Result<observe::ReportResult>)> done) {
  const auto vm = notifier_.FindVm(request.vm);
  if (vm == nullptr) return done(tl::unexpected<Error>(Unknown(request.vm)));
  const PoisonEvent event =
      ClassifyReport(request.range, request.evidence, clock_.Now(), clock_.WallNow());
  vm->Report(event, [identity = vm->identity(),
                     done = std::move(done)](const Result<ledger::RecordedEvent>& recorded) {
    if (!recorded) return done(tl::unexpected<Error>(recorded.error()));
    if (!recorded->entry)
      return done(Fail(ErrorCode::kLimit, identity.name + " has too many bad pages on record"));
    done(observe::ReportResult{identity, *recorded->entry, recorded->is_new});
  });
}

}  // namespace seaward
