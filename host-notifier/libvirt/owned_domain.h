// One of libvirt's domain objects, freed at the end of its scope. Inside this folder only.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "base/uuid.h"

namespace seaward {

struct FreeDomain {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
using OwnedDomain = std::unique_ptr<virDomain, FreeDomain>;

// Null, and libvirt's last error set, when there is none.
inline OwnedDomain LookUpDomain(virConnectPtr connection, const Uuid& uuid) {
  static_assert(sizeof(uuid.bytes) == VIR_UUID_BUFLEN);
  return OwnedDomain(
      virDomainLookupByUUID(connection, reinterpret_cast<const unsigned char*>(uuid.bytes.data())));
}
OwnedDomain FindDomain(virConnectPtr connection, const std::string& name_or_uuid);

// libvirt's last error, which is forgotten then. kNotFound: it knows no such domain.
Error TakeLibvirtError(const std::string& what);

}  // namespace seaward
