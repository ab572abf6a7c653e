// What several answers have in common, as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "host-notifier/observe/snapshot.h"

namespace seaward::observe {

// Keys stay in the order in which people read them.
using Json = nlohmann::ordered_json;

std::string Line(const Json& json);
std::int64_t UnixMicroseconds(WallTime time);
Json TextOrNull(const std::string& text);
Json IdOrNull(const std::optional<Uuid>& id);
// How every answer about one VM begins.
Json About(const ledger::VmIdentity& vm);
Json PageJson(const ledger::PageRow& page);
Json MigrationJson(const MigrationState& state);

}  // namespace seaward::observe
