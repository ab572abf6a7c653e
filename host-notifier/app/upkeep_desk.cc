#include "host-notifier/app/upkeep_desk.h"

#include <fmt/format.h>

#include <utility>

namespace seaward {
namespace {

using ledger::OperatorAction;

// Of one read: a hundred lines of JSON, and no event waits long behind it.
constexpr std::size_t kRecordsPerRead = 256;

tl::unexpected<Error> Unknown(const std::string& vm) {
  return Fail(ErrorCode::kNotFound, "no VM is called '" + vm + "'");
}

// "Not found" is said of VMs; this one is there.
tl::unexpected<Error> NotTheVm(Error error) {
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kInvalid;
  return tl::unexpected<Error>(std::move(error));
}

class LedgerSource final : public observe::RecordSource {
 public:
  LedgerSource(LedgerThread& ledger, std::shared_ptr<ledger::LedgerExport> reading)
      : ledger_(ledger), reading_(std::move(reading)) {}
  void Next(std::function<void(Result<std::vector<ledger::LedgerRecord>>)> done) override {
    ledger_.Read<std::vector<ledger::LedgerRecord>>(
        [reading = reading_](ledger::Ledger&) { return reading->Next(kRecordsPerRead); },
        std::move(done));
  }

 private:
  LedgerThread& ledger_;
  const std::shared_ptr<ledger::LedgerExport> reading_;
};

class LedgerSink final : public observe::RecordSink {
 public:
  LedgerSink(Notifier& notifier, ledger::AuditRow entry)
      : notifier_(notifier),
        entry_(std::move(entry)),
        session_(std::make_shared<ledger::ImportSession>()) {}
  void Take(std::vector<ledger::LedgerRecord> records,
            std::function<void(Result<std::vector<ledger::ImportedRecord>>)> done) override {
    notifier_.ledger().Write<std::vector<ledger::ImportedRecord>>(
        [session = session_, records = std::move(records)](ledger::Ledger& l) {
          return l.Import(*session, records);
        },
        std::move(done));
  }
  void Finish(const observe::ImportResult& result, std::function<void(Status)> done) override {
    entry_.reason = fmt::format("{} lines: {} added, {} known, {} refused", result.lines,
                                result.added, result.known, result.refused);
    notifier_.ledger().Write<void>(
        [entry = entry_](ledger::Ledger& l) { return l.RecordAudit(entry); },
        [&notifier = notifier_, done = std::move(done)](Status recorded) {
          notifier.LedgerImported();
          done(std::move(recorded));
        });
  }

 private:
  Notifier& notifier_;
  ledger::AuditRow entry_;
  const std::shared_ptr<ledger::ImportSession> session_;
};

}  // namespace

ledger::AuditRow UpkeepDesk::Entry(OperatorAction action, const observe::Peer& peer) const {
  ledger::AuditRow entry;
  entry.when = clock_.WallNow();
  entry.action = action;
  entry.uid = peer.uid;
  entry.pid = peer.pid;
  return entry;
}

void UpkeepDesk::Clear(const observe::ClearRequest& request, const observe::Peer& peer,
                       std::function<void(Result<observe::ClearResult>)> done) {
  const auto vm = notifier_.FindVm(request.vm);
  if (vm == nullptr) return done(Unknown(request.vm));
  ledger::AuditRow entry = Entry(OperatorAction::kClear, peer);
  entry.who = request.who;
  entry.vm = vm->identity().uuid;
  entry.range = request.range;
  entry.reason = request.reason;
  vm->Clear(request.range, entry,
            [identity = vm->identity(),
             done = std::move(done)](Result<std::vector<ledger::PageRow>> pages) {
              if (!pages) return done(NotTheVm(pages.error()));
              done(observe::ClearResult{identity, std::move(*pages)});
            });
}

void UpkeepDesk::Replay(const observe::ReplayRequest& request, const observe::Peer& peer,
                        std::function<void(Result<observe::ReplayResult>)> done) {
  const auto vm = notifier_.FindVm(request.vm);
  if (vm == nullptr) return done(Unknown(request.vm));
  observe::ReplayResult result{vm->identity(), vm->session().wanted_entries(), vm->Replay()};
  ledger::AuditRow entry = Entry(OperatorAction::kReplay, peer);
  entry.vm = vm->identity().uuid;
  entry.pages = result.pages;
  notifier_.ledger().Write<void>([entry](ledger::Ledger& l) { return l.RecordAudit(entry); },
                                 [result, done = std::move(done)](Status recorded) {
                                   if (!recorded) return done(Forward(recorded));
                                   done(result);
                                 });
}

void UpkeepDesk::Drain(const observe::DrainRequest& request, const observe::Peer& peer,
                       std::function<void(Result<observe::DrainResult>)> done) {
  if (request.end) {
    notifier_.drain().End();
    return done(observe::DrainResult{});
  }
  // Before the ledger is waited for, so that nothing is written once it rests.
  const ledger::AuditRow entry = Entry(OperatorAction::kDrain, peer);
  notifier_.ledger().Write<void>([entry](ledger::Ledger& l) { return l.RecordAudit(entry); },
                                 [](const Status&) {});  // a full disk must not keep it from trying
  notifier_.drain().Begin(request.wait, std::move(done));
}

void UpkeepDesk::GetAudit(const observe::AuditRequest& request,
                          std::function<void(Result<observe::AuditSnapshot>)> done) {
  notifier_.ledger().Read<observe::AuditSnapshot>(
      [limit = request.limit](ledger::Ledger& l) -> Result<observe::AuditSnapshot> {
        auto rows = l.View().Audit(limit);
        if (!rows) return Forward(rows);
        return observe::AuditSnapshot{std::move(*rows)};
      },
      std::move(done));
}

void UpkeepDesk::BeginExport(
    std::function<void(Result<std::shared_ptr<observe::RecordSource>>)> done) {
  using Reading = std::shared_ptr<ledger::LedgerExport>;
  notifier_.ledger().Read<Reading>(
      [](ledger::Ledger& l) -> Result<Reading> {
        auto reading = l.BeginExport();
        if (!reading) return Forward(reading);
        return Reading(std::move(*reading));
      },
      [&notifier = notifier_, done = std::move(done)](Result<Reading> reading) {
        if (!reading) return done(Forward(reading));
        done(std::make_shared<LedgerSource>(notifier.ledger(), std::move(*reading)));
      });
}

std::shared_ptr<observe::RecordSink> UpkeepDesk::BeginImport(const observe::ImportRequest& request,
                                                             const observe::Peer& peer) {
  ledger::AuditRow entry = Entry(OperatorAction::kImport, peer);
  entry.who = request.who;
  return std::make_shared<LedgerSink>(notifier_, std::move(entry));
}

}  // namespace seaward
