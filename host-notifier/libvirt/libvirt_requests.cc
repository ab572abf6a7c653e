// What the notifier asks of one domain, beside following them all.
#include <cstdlib>
#include <memory>

#include "host-notifier/libvirt/libvirt_link.h"
#include "host-notifier/libvirt/owned_domain.h"

namespace seaward {
namespace {

Error OutOfReach() {
  return Error{ErrorCode::kClosed, 0, "libvirtd is out of reach"};
}

}  // namespace

Result<DomainXml> LibvirtLink::FetchXml(const std::string& name_or_uuid) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  const OwnedDomain domain = FindDomain(connection_, name_or_uuid);
  if (!domain) return tl::unexpected<Error>(TakeLibvirtError("domain '" + name_or_uuid + "'"));
  const std::unique_ptr<char, decltype(&std::free)> xml(virDomainGetXMLDesc(domain.get(), 0),
                                                        &std::free);
  if (!xml) return tl::unexpected<Error>(TakeLibvirtError("XML of '" + name_or_uuid + "'"));
  return DomainXml{xml.get(), virDomainIsActive(domain.get()) == 1};
}

Status LibvirtLink::WriteMark(const Uuid& domain, const DomainMark& mark) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  const OwnedDomain found = LookUpDomain(connection_, domain);
  if (!found) return tl::unexpected<Error>(TakeLibvirtError("metadata"));
  if (virDomainSetMetadata(found.get(), VIR_DOMAIN_METADATA_ELEMENT, ToXml(mark).c_str(),
                           kMarkPrefix, kMarkNamespace, VIR_DOMAIN_AFFECT_LIVE) < 0)
    return tl::unexpected<Error>(TakeLibvirtError("metadata"));
  return {};
}

// One that libvirt does not know does not run: a transient domain that was stopped is gone.
Result<DomainState> LibvirtLink::Look(const Uuid& domain) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  DomainState state;
  const OwnedDomain found = LookUpDomain(connection_, domain);
  if (!found) {
    Error error = TakeLibvirtError("domain " + FormatUuid(domain));
    if (error.code == ErrorCode::kNotFound) return state;
    return tl::unexpected<Error>(std::move(error));
  }
  int now = VIR_DOMAIN_NOSTATE;
  int reason = 0;
  if (virDomainGetState(found.get(), &now, &reason, 0) < 0)
    return tl::unexpected<Error>(TakeLibvirtError("state"));
  state.running = virDomainIsActive(found.get()) == 1;
  state.paused = now == VIR_DOMAIN_PAUSED;
  state.persistent = virDomainIsPersistent(found.get()) == 1;
  if (!state.running || state.persistent) return state;
  // As it would be defined: without what libvirt chose for this run only.
  const std::unique_ptr<char, decltype(&std::free)> xml(
      virDomainGetXMLDesc(found.get(), VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_INACTIVE),
      &std::free);
  if (!xml) return tl::unexpected<Error>(TakeLibvirtError("XML"));
  state.xml = xml.get();
  return state;
}

Status LibvirtLink::Give(const Uuid& domain, DomainOrder order) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  const OwnedDomain found = LookUpDomain(connection_, domain);
  if (!found) return tl::unexpected<Error>(TakeLibvirtError("domain " + FormatUuid(domain)));
  switch (order) {
    case DomainOrder::kPause:
      if (virDomainSuspend(found.get()) < 0)
        return tl::unexpected<Error>(TakeLibvirtError("pause"));
      return {};
    case DomainOrder::kReset:
      if (virDomainReset(found.get(), 0) < 0)
        return tl::unexpected<Error>(TakeLibvirtError("reset"));
      return {};
    case DomainOrder::kStop:
      if (virDomainDestroy(found.get()) < 0) return tl::unexpected<Error>(TakeLibvirtError("stop"));
      return {};
  }
  return Fail(ErrorCode::kInvalid, "no such order");
}

Status LibvirtLink::StartDomain(const Uuid& domain, const std::string& xml) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  const OwnedDomain found = LookUpDomain(connection_, domain);
  if (found) {
    // A saved image would bring the old memory's contents back, bad pages and all. Only where there
    // is one: not every driver knows the flag.
    const bool saved = virDomainHasManagedSaveImage(found.get(), 0) == 1;
    if (virDomainCreateWithFlags(found.get(), saved ? VIR_DOMAIN_START_FORCE_BOOT : 0) < 0)
      return tl::unexpected<Error>(TakeLibvirtError("start"));
    return {};
  }
  Error unknown = TakeLibvirtError("domain " + FormatUuid(domain));
  if (xml.empty() || unknown.code != ErrorCode::kNotFound)
    return tl::unexpected<Error>(std::move(unknown));
  const OwnedDomain made(virDomainCreateXML(connection_, xml.c_str(), 0));
  if (!made) return tl::unexpected<Error>(TakeLibvirtError("start"));
  return {};
}

}  // namespace seaward
