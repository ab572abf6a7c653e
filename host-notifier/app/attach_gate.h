// Who may attach for which VM. Believes the kernel (pid, start time, uid of the peer), libvirt's
// files and the operator's config; what the VMM says of itself can only make the answer "no".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/process_identity.h"
#include "base/result.h"
#include "base/uuid.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/libvirt/domain_description.h"

namespace seaward {

// libvirt's records, as far as the gate needs them.
class DomainRecords {
 public:
  virtual ~DomainRecords() = default;
  // kNotFound: none of libvirt's. kDenied: its records do not bear out that it is this process.
  virtual Result<DomainStatus> FindByPid(pid_t pid) const = 0;
  virtual Result<DomainStatus> FindByName(const std::string& name) const = 0;
};

struct AttachClaim {
  ProcessIdentity process;
  uid_t uid = 0;
  std::optional<Uuid> claimed_vm;
};

// The VM whose memory this process holds: exactly one of the two.
struct AdmittedVm {
  std::optional<DomainDescription> domain;
  const config::StaticVm* static_vm = nullptr;
};

class AttachGate {
 public:
  // `records` may be null: no libvirt. Both outlive the gate.
  AttachGate(const DomainRecords* records, const std::vector<config::StaticVm>& static_vms)
      : records_(records), static_vms_(static_vms) {}

  // kNotFound: runs no VM of ours (yet). kDenied: claims a VM that is not its own, or cannot be
  // told apart. The text is complete for the log: it names pid and uid.
  Result<AdmittedVm> Admit(const AttachClaim& claim) const;

 private:
  Result<AdmittedVm> AdmitStatic(const AttachClaim& claim) const;

  const DomainRecords* records_;
  const std::vector<config::StaticVm>& static_vms_;
};

}  // namespace seaward
