// The word on migration that Seaward leaves in a running domain's own metadata, for whoever
// schedules migrations and reads libvirt only. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace seaward {

inline constexpr char kMarkNamespace[] = "urn:seaward:state:1";
inline constexpr char kMarkPrefix[] = "seaward";

struct DomainMark {
  bool safe_to_migrate = true;
  std::string reason;  // empty when safe
  std::uint64_t unhealed_pages = 0;
  bool operator==(const DomainMark&) const = default;
};

// <state safe-to-migrate='no' unhealed-pages='3' reason='...'/>, without the namespace: libvirt
// adds it.
std::string ToXml(const DomainMark& mark);

}  // namespace seaward
