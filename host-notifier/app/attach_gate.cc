#include "host-notifier/app/attach_gate.h"

namespace seaward {
namespace {

std::string Who(const AttachClaim& claim) {
  return "pid=" + std::to_string(claim.process.pid) + " uid=" + std::to_string(claim.uid);
}

}  // namespace

Result<AdmittedVm> AttachGate::Admit(const AttachClaim& claim) const {
  if (records_ == nullptr) return AdmitStatic(claim);
  auto status = records_->FindByPid(claim.process.pid);
  if (!status) {
    if (status.error().code == ErrorCode::kNotFound) return AdmitStatic(claim);
    return Fail(ErrorCode::kDenied, Who(claim) + ": " + status.error().Text());
  }
  if (claim.claimed_vm && *claim.claimed_vm != status->domain.uuid)
    return Fail(ErrorCode::kDenied, Who(claim) + " runs " + FormatUuid(status->domain.uuid) +
                                        " but claims " + FormatUuid(*claim.claimed_vm));
  if (!status->domain.has_channel)
    return Fail(ErrorCode::kNotFound,
                Who(claim) + " runs " + status->domain.name + ", which has no agent channel");
  AdmittedVm admitted;
  admitted.domain = std::move(status->domain);
  return admitted;
}

Result<AdmittedVm> AttachGate::AdmitStatic(const AttachClaim& claim) const {
  AdmittedVm admitted;
  for (const config::StaticVm& vm : static_vms_) {
    const bool named = claim.claimed_vm && *claim.claimed_vm == vm.uuid;
    if (claim.claimed_vm && !named) continue;
    if (vm.attach_uid != claim.uid) {
      if (!named) continue;
      return Fail(ErrorCode::kDenied,
                  Who(claim) + " claims " + vm.name + " of uid " + std::to_string(vm.attach_uid));
    }
    if (admitted.static_vm != nullptr)
      return Fail(ErrorCode::kDenied, Who(claim) + " may attach for several VMs and names none");
    admitted.static_vm = &vm;
  }
  if (admitted.static_vm != nullptr) return admitted;
  if (claim.claimed_vm)
    return Fail(ErrorCode::kDenied, Who(claim) + " claims " + FormatUuid(*claim.claimed_vm) +
                                        ", which it does not run");
  return Fail(ErrorCode::kNotFound, Who(claim) + " runs no VM that is known here");
}

}  // namespace seaward
