// What the control socket asks of the notifier. app/ implements it.
//
// Thread: the loop's. Each `done` is called exactly once, on the loop's thread, at once or later;
// errors: kNotFound for an unknown VM, kNoSpace and others as the ledger says.
#pragma once

#include <functional>

#include "base/result.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/observe/control_request.h"
#include "host-notifier/observe/domain_report.h"
#include "host-notifier/observe/policy_report.h"
#include "host-notifier/observe/snapshot.h"
#include "host-notifier/observe/upkeep.h"

namespace seaward::observe {

class ControlHandler {
 public:
  virtual ~ControlHandler() = default;
  virtual void GetStatus(const StatusRequest& request,
                         std::function<void(Result<StatusSnapshot>)> done) = 0;
  virtual void GetEvents(const EventsRequest& request,
                         std::function<void(Result<EventsSnapshot>)> done) = 0;
  virtual void JudgeMigration(const MigrationRequest& request,
                              std::function<void(Result<MigrationReport>)> done) = 0;
  // What the policy says of the VM now, and what it decided before.
  virtual void Explain(const ExplainRequest& request,
                       std::function<void(Result<PolicyReport>)> done) = 0;
  virtual void Report(const ReportRequest& request,
                      std::function<void(Result<ReportResult>)> done) = 0;
  // kInvalid: no VM that runs has the frame; kTimeout: nobody could tell in time.
  virtual void ReportFrame(const ReportFrameRequest& request,
                           std::function<void(Result<FrameReport>)> done) = 0;
  // kNotFound when neither libvirt nor the configuration knows the VM; kClosed, kTimeout: libvirtd
  // is needed for the answer and has none.
  virtual void ExamineDomain(const DomainRequest& request,
                             std::function<void(Result<DomainReport>)> done) = 0;
  // kInvalid also when no page lies inside the range; kBusy: the VM does not run.
  virtual void Clear(const ClearRequest& request, const Peer& peer,
                     std::function<void(Result<ClearResult>)> done) = 0;
  virtual void Replay(const ReplayRequest& request, const Peer& peer,
                      std::function<void(Result<ReplayResult>)> done) = 0;
  // kBusy: another one waits.
  virtual void Drain(const DrainRequest& request, const Peer& peer,
                     std::function<void(Result<DrainResult>)> done) = 0;
  virtual void GetAudit(const AuditRequest& request,
                        std::function<void(Result<AuditSnapshot>)> done) = 0;
  virtual void BeginExport(std::function<void(Result<std::shared_ptr<RecordSource>>)> done) = 0;
  virtual std::shared_ptr<RecordSink> BeginImport(const ImportRequest& request,
                                                  const Peer& peer) = 0;
  // The VM that a watcher names; kNotFound when neither the ledger nor libvirt knows it.
  virtual void FindVm(const std::string& name_or_uuid,
                      std::function<void(Result<ledger::VmIdentity>)> done) = 0;
};

}  // namespace seaward::observe
