// What operators do to the ledger: clear, replay, drain, audit, export, import.
//
// Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host-notifier/app/notifier.h"
#include "host-notifier/observe/control_request.h"
#include "host-notifier/observe/upkeep.h"

namespace seaward {

class UpkeepDesk {
 public:
  // Both outlive the desk.
  UpkeepDesk(Notifier& notifier, const Clock& clock) : notifier_(notifier), clock_(clock) {}

  void Clear(const observe::ClearRequest& request, const observe::Peer& peer,
             std::function<void(Result<observe::ClearResult>)> done);
  void Replay(const observe::ReplayRequest& request, const observe::Peer& peer,
              std::function<void(Result<observe::ReplayResult>)> done);
  void Drain(const observe::DrainRequest& request, const observe::Peer& peer,
             std::function<void(Result<observe::DrainResult>)> done);
  void GetAudit(const observe::AuditRequest& request,
                std::function<void(Result<observe::AuditSnapshot>)> done);
  void BeginExport(std::function<void(Result<std::shared_ptr<observe::RecordSource>>)> done);
  std::shared_ptr<observe::RecordSink> BeginImport(const observe::ImportRequest& request,
                                                   const observe::Peer& peer);

 private:
  ledger::AuditRow Entry(ledger::OperatorAction action, const observe::Peer& peer) const;

  Notifier& notifier_;
  const Clock& clock_;
};

}  // namespace seaward
