// Answers the control socket: joins what is live with what the ledger has.
//
// Thread: the loop's.
#pragma once

#include "host-notifier/app/domain_desk.h"
#include "host-notifier/app/notifier.h"
#include "host-notifier/app/upkeep_desk.h"
#include "host-notifier/observe/control_handler.h"

namespace seaward {

class OperatorDesk final : public observe::ControlHandler {
 public:
  // Both outlive the desk.
  OperatorDesk(Notifier& notifier, const Clock& clock)
      : notifier_(notifier),
        clock_(clock),
        domains_(notifier),
        upkeep_(notifier, clock),
        trim_(notifier.loop()) {}

  void GetStatus(const observe::StatusRequest& request,
                 std::function<void(Result<observe::StatusSnapshot>)> done) override;
  void GetEvents(const observe::EventsRequest& request,
                 std::function<void(Result<observe::EventsSnapshot>)> done) override;
  void Report(const observe::ReportRequest& request,
              std::function<void(Result<observe::ReportResult>)> done) override;
  void ReportFrame(const observe::ReportFrameRequest& request,
                   std::function<void(Result<observe::FrameReport>)> done) override {
    notifier_.frames().Report(request.frame, request.evidence, std::move(done));
  }
  void JudgeMigration(const observe::MigrationRequest& request,
                      std::function<void(Result<observe::MigrationReport>)> done) override;
  void Explain(const observe::ExplainRequest& request,
               std::function<void(Result<observe::PolicyReport>)> done) override;
  void ExamineDomain(const observe::DomainRequest& request,
                     std::function<void(Result<observe::DomainReport>)> done) override {
    domains_.Examine(request.vm, std::move(done));
  }
  void Clear(const observe::ClearRequest& request, const observe::Peer& peer,
             std::function<void(Result<observe::ClearResult>)> done) override {
    upkeep_.Clear(request, peer, std::move(done));
  }
  void Replay(const observe::ReplayRequest& request, const observe::Peer& peer,
              std::function<void(Result<observe::ReplayResult>)> done) override {
    upkeep_.Replay(request, peer, std::move(done));
  }
  void Drain(const observe::DrainRequest& request, const observe::Peer& peer,
             std::function<void(Result<observe::DrainResult>)> done) override {
    upkeep_.Drain(request, peer, std::move(done));
  }
  void GetAudit(const observe::AuditRequest& request,
                std::function<void(Result<observe::AuditSnapshot>)> done) override {
    upkeep_.GetAudit(request, std::move(done));
  }
  void BeginExport(
      std::function<void(Result<std::shared_ptr<observe::RecordSource>>)> done) override {
    upkeep_.BeginExport(std::move(done));
  }
  std::shared_ptr<observe::RecordSink> BeginImport(const observe::ImportRequest& request,
                                                   const observe::Peer& peer) override {
    return upkeep_.BeginImport(request, peer);
  }
  void FindVm(const std::string& name_or_uuid,
              std::function<void(Result<ledger::VmIdentity>)> done) override;

 private:
  Notifier& notifier_;
  const Clock& clock_;
  DomainDesk domains_;
  UpkeepDesk upkeep_;
  LoopTimer trim_;  // of memory, after a large answer
};

}  // namespace seaward
