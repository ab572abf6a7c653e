// Answers the control socket: joins what is live with what the ledger has.
//
// Thread: the loop's.
#pragma once

#include "host-notifier/app/domain_desk.h"
#include "host-notifier/app/notifier.h"
#include "host-notifier/observe/control_handler.h"

namespace seaward {

class OperatorDesk final : public observe::ControlHandler {
 public:
  // Both outlive the desk.
  OperatorDesk(Notifier& notifier, const Clock& clock)
      : notifier_(notifier), clock_(clock), domains_(notifier) {}

  void GetStatus(const observe::StatusRequest& request,
                 std::function<void(Result<observe::StatusSnapshot>)> done) override;
  void GetEvents(const observe::EventsRequest& request,
                 std::function<void(Result<observe::EventsSnapshot>)> done) override;
  void Report(const observe::ReportRequest& request,
              std::function<void(Result<observe::ReportResult>)> done) override;
  void JudgeMigration(const observe::MigrationRequest& request,
                      std::function<void(Result<observe::MigrationReport>)> done) override;
  void ExamineDomain(const observe::DomainRequest& request,
                     std::function<void(Result<observe::DomainReport>)> done) override {
    domains_.Examine(request.vm, std::move(done));
  }
  void FindVm(const std::string& name_or_uuid,
              std::function<void(Result<ledger::VmIdentity>)> done) override;

 private:
  Notifier& notifier_;
  const Clock& clock_;
  DomainDesk domains_;
};

}  // namespace seaward
