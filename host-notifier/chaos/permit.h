// Whether a plan may be played against a VM. Pure.
#pragma once

#include <optional>
#include <string>

#include "host-notifier/chaos/plan.h"

namespace seaward::chaos {

// `element`: what the domain's metadata has under urn:seaward:chaos:1. kDenied names what is
// missing and how to allow it.
Status Permit(const Plan& plan, const std::string& vm, const std::optional<std::string>& element);

// What a person is told before being asked.
std::string Warning(const Plan& plan, const std::string& vm);

}  // namespace seaward::chaos
