// Examines one domain for `seawardctl domain`: its XML from libvirt, its life from the notifier.
//
// Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host-notifier/app/notifier.h"
#include "host-notifier/observe/domain_report.h"

namespace seaward {

class DomainDesk {
 public:
  using Done = std::function<void(Result<observe::DomainReport>)>;

  // It outlives the desk.
  explicit DomainDesk(Notifier& notifier) : notifier_(notifier) {}

  // kNotFound: neither libvirt nor the configuration knows it. kTimeout: libvirtd does not answer.
  void Examine(const std::string& name_or_uuid, Done done);

 private:
  observe::DomainReport ReportStatic(const Vm& vm) const;
  Result<observe::DomainReport> Report(const DomainXml& domain) const;

  Notifier& notifier_;
};

}  // namespace seaward
