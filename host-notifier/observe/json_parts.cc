#include "host-notifier/observe/json_parts.h"

namespace seaward::observe {

using std::chrono::duration_cast;
using std::chrono::microseconds;

std::string Line(const Json& json) {
  // VM names come from outside and may be no UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::int64_t UnixMicroseconds(WallTime time) {
  return duration_cast<microseconds>(time.time_since_epoch()).count();
}

Json TextOrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}
Json IdOrNull(const std::optional<Uuid>& id) {
  return id ? Json(FormatUuid(*id)) : Json();
}

Json About(const ledger::VmIdentity& vm) {
  Json json;
  json["vm"] = vm.name;
  json["vm_uuid"] = FormatUuid(vm.uuid);
  return json;
}

Json PageJson(const ledger::PageRow& page) {
  Json json;
  json["id"] = page.id;
  json["vm"] = page.vm.name;
  json["vm_uuid"] = FormatUuid(page.vm.uuid);
  json["incarnation"] = FormatUuid(page.incarnation);
  json["gpa"] = FormatAddress(page.range.start().value);
  json["length_bytes"] = page.range.length();
  json["located_by"] = ToString(page.located_by);
  json["evidence"] = protocol::ToString(page.evidence);
  json["life"] = ledger::ToString(page.life);
  json["replay"] = page.replay;
  json["outcome"] = page.outcome ? Json(protocol::ToString(*page.outcome)) : Json();
  json["kind"] = protocol::ToString(page.kind);
  json["stage"] = page.stage ? Json(protocol::ToString(*page.stage)) : Json();
  json["errno"] = page.sys_errno;
  json["protected_by"] = page.protected_by ? Json(ledger::ToString(*page.protected_by)) : Json();
  json["exposure_us"] =
      page.exposure ? Json(duration_cast<microseconds>(*page.exposure).count()) : Json();
  json["host_frame"] = page.host_frame ? Json(FormatAddress(page.host_frame->number)) : Json();
  json["host_retired"] = ledger::ToString(page.host_retired);
  json["host_errno"] = page.host_errno;
  json["heal"] = ledger::ToString(page.heal);
  json["heal_reason"] = TextOrNull(page.heal_reason);
  json["event_count"] = page.event_count;
  json["first_seen_unix_us"] = UnixMicroseconds(page.first_seen);
  json["last_seen_unix_us"] = UnixMicroseconds(page.last_seen);
  return json;
}

Json MigrationJson(const MigrationState& state) {
  Json json;
  json["safe"] = state.safe;
  json["reason"] = TextOrNull(state.reason);
  json["unhealed_pages"] = state.unhealed_pages;
  json["unhealed_bytes"] = state.unhealed_bytes;
  json["unlocated_events"] = state.unlocated_events;
  return json;
}

}  // namespace seaward::observe
