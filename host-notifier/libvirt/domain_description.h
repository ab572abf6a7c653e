// What Seaward wants to know of a libvirt domain, read from its XML. Pure: no libvirt here.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/uuid.h"

namespace seaward {

struct DomainDescription {
  Uuid uuid;
  std::string name;
  // A virtio channel with our name is there; a domain without one is none of our business.
  bool has_channel = false;
  // The host's end of that channel, when it is a unix socket that QEMU listens on.
  std::optional<std::string> channel_socket;
  // Guest and QEMU can speak APEI GHES (ACPI and <ras state='on'/>): QEMU then replaces a page
  // that the host retired at the guest's next reset instead of dying of it.
  bool has_ghes = false;
  // What it says of its own policy (domain_policy.h); not of its XML alone.
  std::optional<std::string> policy{};
};

// libvirt's own record of a running domain, beside what its XML says.
struct DomainStatus {
  pid_t pid = 0;
  DomainDescription domain;
};

// Longest XML accepted; a status file of libvirt 9 is about 10 KiB.
inline constexpr std::size_t kMaxDomainXml = 4u << 20;

// `xml` is the live XML of one domain (<domain>).
Result<DomainDescription> ParseDomainXml(std::string_view xml, std::string_view channel_name);

// `xml` is a status file of libvirt's QEMU driver (<domstatus> around <domain>).
Result<DomainStatus> ParseDomainStatus(std::string_view xml, std::string_view channel_name);

}  // namespace seaward
