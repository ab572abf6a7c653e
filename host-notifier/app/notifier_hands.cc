#include "host-notifier/app/notifier_hands.h"

#include "host-notifier/app/notifier.h"

namespace seaward {
namespace {

tl::unexpected<Error> NoDomain() {
  return Fail(ErrorCode::kUnsupported, "not a domain of libvirt's: it can only be told of");
}

}  // namespace

bool NotifierHands::IsDomain(const Uuid& vm) const {
  const auto found = notifier_.vms().find(vm);
  const bool is_static = found != notifier_.vms().end() && found->second->is_static();
  return notifier_.libvirt() != nullptr && !is_static;
}

void NotifierHands::Look(const Uuid& vm, std::function<void(Result<DomainState>)> done) {
  if (!IsDomain(vm)) return done(NoDomain());
  notifier_.libvirt()->Look(vm, std::move(done));
}

void NotifierHands::Give(const Uuid& vm, DomainOrder order, std::function<void(Status)> done) {
  if (!IsDomain(vm)) return done(NoDomain());
  notifier_.libvirt()->Give(vm, order, std::move(done));
}

void NotifierHands::StartDomain(const Uuid& vm, const std::string& xml,
                                std::function<void(Status)> done) {
  if (!IsDomain(vm)) return done(NoDomain());
  notifier_.libvirt()->StartDomain(vm, xml, std::move(done));
}

std::optional<Uuid> NotifierHands::Incarnation(const Uuid& vm) const {
  const auto found = notifier_.vms().find(vm);
  return found == notifier_.vms().end() ? std::nullopt : found->second->incarnation();
}

bool NotifierHands::MayRestartTransient(const Uuid& vm) const {
  return notifier_.policy().MayRestartTransient(vm);
}

bool NotifierHands::HasFixedBacking(const std::string& vm_name) const {
  return notifier_.config().HasFixedBacking(vm_name);
}

void NotifierHands::RetireFrames(const Uuid& vm, const Uuid& incarnation) {
  const auto found = notifier_.vms().find(vm);
  // Of one that is forgotten: at the end of a VM its GHES makes no difference.
  notifier_.retirer().VmEnded(incarnation,
                              found != notifier_.vms().end() && found->second->has_ghes());
}

}  // namespace seaward
