// The policy that a domain carries in its own metadata, as text. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace seaward {

inline constexpr char kPolicyNamespace[] = "urn:seaward:policy:1";

// The text inside <metadata>'s element of our namespace: what virDomainGetMetadata answers, an
// element with text alone. nullopt where `element` is no such thing.
std::optional<std::string> PolicyTextOf(std::string_view element);

}  // namespace seaward
