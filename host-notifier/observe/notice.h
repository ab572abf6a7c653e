// What hooks and webhooks are told: a CloudEvent 1.0 in the structured JSON mode. Pure.
#pragma once

#include <string>
#include <string_view>

#include "host-notifier/ledger/decision_table.h"

namespace seaward::observe {

inline constexpr std::string_view kNoticeContentType =
    "application/cloudevents+json; charset=utf-8";

// `host` names the sender. Attempts of one decision have one id: a receiver can tell that it has
// heard it before.
std::string NoticeJson(const ledger::DecisionRow& decision, std::string_view host);

}  // namespace seaward::observe
