#include "host-notifier/libvirt/owned_domain.h"

#include <libvirt/virterror.h>

namespace seaward {

OwnedDomain FindDomain(virConnectPtr connection, const std::string& name_or_uuid) {
  if (const auto uuid = ParseUuid(name_or_uuid)) {
    if (auto found = LookUpDomain(connection, *uuid)) return found;
    virResetLastError();  // a name may look like a UUID
  }
  return OwnedDomain(virDomainLookupByName(connection, name_or_uuid.c_str()));
}

Error TakeLibvirtError(const std::string& what) {
  const virError* error = virGetLastError();
  const bool unknown = error != nullptr && error->code == VIR_ERR_NO_DOMAIN;
  Error failed{unknown ? ErrorCode::kNotFound : ErrorCode::kIo, 0,
               what + ": " + virGetLastErrorMessage()};
  virResetLastError();
  return failed;
}

}  // namespace seaward
