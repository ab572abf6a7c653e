// The operator's word in a domain's metadata that it may be harmed on purpose, and how
// (seaward-chaos). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seaward {

inline constexpr char kChaosNamespace[] = "urn:seaward:chaos:1";

// The words of <chaos allow='memory machine'/>: what virDomainGetMetadata answers for our
// namespace. kInvalid where `element` is no such thing; what the words mean is not known here.
Result<std::vector<std::string>> ChaosWordsOf(std::string_view element);

}  // namespace seaward
