// The attach socket: who comes in, and what becomes of those who may not.
#include "host-notifier/app/notifier.h"

namespace seaward {

Status Notifier::OpenAttachSocket() {
  auto listener = ring::AttachListener::Open({.path = config_.attach_socket}, clock_);
  if (!listener) return Forward(listener);
  attach_listener_.emplace(std::move(*listener));
  auto watch = FdWatch::Watch(loop_, attach_listener_->fd(), [this] { AcceptAttachments(); });
  if (!watch) return Forward(watch);
  attach_watch_ = std::move(*watch);
  return {};
}

void Notifier::AcceptAttachments() {
  // One per turn: admitting may read libvirt's files, and others wait too.
  auto accepted = attach_listener_->Accept();
  if (!accepted) {
    ++counters_.attaches_refused;
    attach_log_.Warning("attach_refused", {{"why", accepted.error().Text()}});
    return;
  }
  if (*accepted) Admit(std::move(**accepted));
}

void Notifier::Admit(ring::Attachment attachment) {
  const AttachClaim claim{attachment.process, attachment.uid, attachment.claimed_vm};
  auto admitted = gate_.Admit(claim);
  if (!admitted) return Refuse(attachment, admitted.error());
  // The pid's records were read after the peer was identified: it must still be that process.
  const auto now = IdentifyProcess(claim.process.pid, "/proc");
  if (!now || *now != claim.process) {
    return Refuse(attachment, Error{ErrorCode::kDenied, 0,
                                    "pid=" + std::to_string(claim.process.pid) + " is gone"});
  }
  const auto vm =
      admitted->domain ? VmOfDomain(*admitted->domain) : VmOfConfig(*admitted->static_vm);
  if (admitted->domain) {
    vm->Seen(admitted->domain->channel_socket, admitted->domain->has_ghes);
  } else {
    vm->Seen(admitted->static_vm->channel, admitted->static_vm->has_ghes);
  }
  if (auto attached = vm->Attach(std::move(attachment)); !attached) {
    ++counters_.attaches_refused;
    attach_log_.Warning("attach_refused", {{"pid", std::to_string(claim.process.pid)},
                                           {"uid", std::to_string(claim.uid)},
                                           {"why", attached.error().Text()}});
    return;
  }
  ++counters_.attaches;
  attach_log_.Info("vmm_attached", {{"vm", vm->identity().name},
                                    {"pid", std::to_string(claim.process.pid)},
                                    {"uid", std::to_string(claim.uid)}});
}

void Notifier::Refuse(const ring::Attachment& attachment, const Error& why) {
  if (why.code == ErrorCode::kNotFound) {
    ++counters_.attaches_early;
    attachment.Refuse(vmm::AttachReply::kUnknownVm);
    attach_log_.Info("attach_too_early", {{"why", why.Text()}});
    return;
  }
  ++counters_.attaches_refused;
  attachment.Refuse(vmm::AttachReply::kNotAllowed);
  attach_log_.Warning("attach_refused", {{"pid", std::to_string(attachment.process.pid)},
                                         {"uid", std::to_string(attachment.uid)},
                                         {"why", why.Text()}});
}

}  // namespace seaward
