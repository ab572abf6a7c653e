// What the notifier asks of one domain, beside following them all.
#include <libvirt/virterror.h>

#include <cstdlib>
#include <memory>

#include "host-notifier/libvirt/libvirt_link.h"
#include "host-notifier/libvirt/owned_domain.h"

namespace seaward {
namespace {

Error LastError(const std::string& what) {
  const virError* error = virGetLastError();
  const bool unknown = error != nullptr && error->code == VIR_ERR_NO_DOMAIN;
  Error failed{unknown ? ErrorCode::kNotFound : ErrorCode::kIo, 0,
               what + ": " + virGetLastErrorMessage()};
  virResetLastError();
  return failed;
}

Error OutOfReach() {
  return Error{ErrorCode::kClosed, 0, "libvirtd is out of reach"};
}

OwnedDomain Find(virConnectPtr connection, const std::string& name_or_uuid) {
  if (const auto uuid = ParseUuid(name_or_uuid)) {
    if (auto found = LookUpDomain(connection, *uuid)) return found;
    virResetLastError();  // a name may look like a UUID
  }
  return OwnedDomain(virDomainLookupByName(connection, name_or_uuid.c_str()));
}

}  // namespace

Result<DomainXml> LibvirtLink::FetchXml(const std::string& name_or_uuid) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  const OwnedDomain domain = Find(connection_, name_or_uuid);
  if (!domain) return tl::unexpected<Error>(LastError("domain '" + name_or_uuid + "'"));
  const std::unique_ptr<char, decltype(&std::free)> xml(virDomainGetXMLDesc(domain.get(), 0),
                                                        &std::free);
  if (!xml) return tl::unexpected<Error>(LastError("XML of '" + name_or_uuid + "'"));
  return DomainXml{xml.get(), virDomainIsActive(domain.get()) == 1};
}

Status LibvirtLink::WriteMark(const Uuid& domain, const DomainMark& mark) {
  if (connection_ == nullptr) return tl::unexpected<Error>(OutOfReach());
  const OwnedDomain found = LookUpDomain(connection_, domain);
  if (!found) return tl::unexpected<Error>(LastError("metadata"));
  if (virDomainSetMetadata(found.get(), VIR_DOMAIN_METADATA_ELEMENT, ToXml(mark).c_str(),
                           kMarkPrefix, kMarkNamespace, VIR_DOMAIN_AFFECT_LIVE) < 0)
    return tl::unexpected<Error>(LastError("metadata"));
  return {};
}

}  // namespace seaward
