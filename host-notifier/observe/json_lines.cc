#include "host-notifier/observe/json_lines.h"

#include "host-notifier/observe/json_parts.h"

namespace seaward::observe {
namespace {

void AddEvent(Json& json, const ledger::VmIdentity& vm, const PoisonEvent& event) {
  json["vm"] = vm.name;
  json["vm_uuid"] = FormatUuid(vm.uuid);
  json["source"] = ToString(event.source);
  json["location"] = ToString(event.location);
  json["located_by"] = ToString(event.located_by());
  const auto& place = event.suspect ? event.suspect : event.range;
  json["gpa"] = place ? Json(FormatAddress(place->start().value)) : Json();
  json["length_bytes"] = place ? Json(place->length()) : Json();
  json["gva"] = event.gva ? Json(FormatAddress(event.gva->value)) : Json();
  json["evidence"] = protocol::ToString(event.evidence);
  json["access"] = ToString(event.access);
  json["severity"] = ToString(event.severity);
  json["vcpu"] = event.vcpu;
  json["count"] = event.count;
  json["flags"] = FormatAddress(event.flags);
  json["esr"] = FormatAddress(event.esr);
  json["raw_gva"] = FormatAddress(event.raw_gva);
  json["raw_gpa"] = FormatAddress(event.raw_gpa);
  json["hva"] = event.hva.value == 0 ? Json() : Json(FormatAddress(event.hva.value));
  json["monotonic_ns"] = event.when.time_since_epoch().count();
  json["seen_unix_us"] = UnixMicroseconds(event.wall);
}

Json EventJson(const ledger::EventRow& row) {
  Json json;
  json["id"] = row.id;
  json["incarnation"] = FormatUuid(row.incarnation);
  json["page"] = row.page ? Json(*row.page) : Json();
  AddEvent(json, row.vm, row.event);
  return json;
}

std::string_view ToString(FindingState state) {
  switch (state) {
    case FindingState::kOk:
      return "ok";
    case FindingState::kLacking:
      return "lacking";
    case FindingState::kNote:
      return "note";
  }
  return "";
}

Json AlarmJson(const ledger::AlarmRow& row) {
  Json json;
  json["id"] = row.id;
  json["vm"] = row.vm.name;
  json["vm_uuid"] = FormatUuid(row.vm.uuid);
  json["alarm"] = ledger::ToString(row.kind);
  json["raised"] = row.raised;
  json["seen_unix_us"] = UnixMicroseconds(row.when);
  return json;
}

Json ReportJson(const ReportResult& report) {
  Json json = About(report.vm);
  json["page"] = report.entry.id;
  json["gpa"] = FormatAddress(report.entry.range.start().value);
  json["length_bytes"] = report.entry.range.length();
  json["evidence"] = protocol::ToString(report.entry.evidence);
  json["is_new"] = report.is_new;
  return json;
}

Json ActionJson(const policy::Action& action) {
  Json json;
  json["action"] = action.word();
  json["sink"] = TextOrNull(action.sink);
  return json;
}

Json RuleJson(const policy::RuleJudgement& judged) {
  const policy::Rule& rule = judged.rule;
  const bool overdue = rule.when == policy::Condition::kUnretiredPages;
  Json json;
  json["rule"] = rule.name;
  json["when"] = policy::ToString(rule.when);
  json["at_least"] = rule.at_least;
  json["within_s"] = overdue ? Json() : Json(rule.within.count());
  json["for_s"] = overdue ? Json(rule.unretired_for.count()) : Json();
  json["counted"] = judged.counted;
  json["holds"] = judged.holds;
  json["actions"] = Json::array();
  for (const policy::ActionJudgement& action : judged.actions) {
    Json one = ActionJson(action.action);
    one["judgement"] = policy::ToString(action.judgement);
    one["until_unix_us"] = action.until ? Json(UnixMicroseconds(*action.until)) : Json();
    json["actions"].push_back(std::move(one));
  }
  return json;
}

Json DecisionJson(const ledger::DecisionRow& row) {
  Json json;
  json["id"] = row.id;
  json["incarnation"] = FormatUuid(row.incarnation);
  json["rule"] = row.rule;
  json.update(ActionJson(row.action));
  json["state"] = policy::ToString(row.state);
  json["reason"] = row.reason;
  json["counted"] = row.counted;
  json["attempts"] = row.attempts;
  json["result"] = TextOrNull(row.result);
  json["decided_unix_us"] = UnixMicroseconds(row.decided);
  json["changed_unix_us"] = UnixMicroseconds(row.changed);
  json["expires_unix_us"] = UnixMicroseconds(row.expires);
  return json;
}

}  // namespace

std::string EventsLine(const EventsSnapshot& events) {
  Json json;
  json["events"] = Json::array();
  for (const ledger::EventRow& row : events.events) json["events"].push_back(EventJson(row));
  json["alarms"] = Json::array();
  for (const ledger::AlarmRow& row : events.alarms) json["alarms"].push_back(AlarmJson(row));
  return Line(json);
}

std::string ReportLine(const ReportResult& report) {
  return Line(ReportJson(report));
}

std::string FrameLine(const FrameReport& report) {
  Json json;
  json["host_frame"] = FormatAddress(report.frame.number);
  json["retired"] = report.retired;
  json["pages"] = Json::array();
  for (const ReportResult& page : report.pages) json["pages"].push_back(ReportJson(page));
  json["placeless"] = Json::array();
  for (const ledger::VmIdentity& vm : report.placeless) json["placeless"].push_back(About(vm));
  return Line(json);
}

std::string MigrationLine(const MigrationReport& report) {
  Json json = About(report.vm);
  json["running"] = report.running;
  json.update(MigrationJson(report.state));
  return Line(json);
}

std::string DomainLine(const DomainReport& report) {
  Json json = About(report.vm);
  json["running"] = report.running;
  json["complete"] = report.complete();
  json["findings"] = Json::array();
  for (const Finding& finding : report.findings)
    json["findings"].push_back(
        {{"item", finding.item}, {"state", ToString(finding.state)}, {"text", finding.text}});
  json["recipe"] = Json::array();
  for (const RecipePart& part : report.recipe)
    json["recipe"].push_back({{"name", part.name},
                              {"inside", part.inside},
                              {"xml", part.xml},
                              {"present", part.present}});
  return Line(json);
}

std::string ClearLine(const ClearResult& cleared) {
  Json json = About(cleared.vm);
  json["pages"] = Json::array();
  for (const ledger::PageRow& page : cleared.pages) json["pages"].push_back(PageJson(page));
  return Line(json);
}

std::string ReplayLine(const ReplayResult& replay) {
  Json json = About(replay.vm);
  json["pages"] = replay.pages;
  json["sent"] = replay.sent;
  return Line(json);
}

std::string DrainLine(const DrainResult& drain) {
  Json json;
  json["drained"] = drain.drained;
  json["waited_ms"] = drain.waited.count();
  json["unrecorded_events"] = drain.unrecorded_events;
  json["waiting_writes"] = drain.waiting_writes;
  json["unanswered_pages"] = drain.unanswered_pages;
  json["silent_vms"] = drain.silent_vms;
  json["resumes_in_s"] = drain.resumes_in.count();
  return Line(json);
}

std::string AuditLine(const AuditSnapshot& audit) {
  Json json;
  json["audit"] = Json::array();
  for (const ledger::AuditRow& row : audit.rows) {
    Json entry;
    entry["id"] = row.id;
    entry["when_unix_us"] = UnixMicroseconds(row.when);
    entry["action"] = ledger::ToString(row.action);
    entry["uid"] = row.uid;
    entry["pid"] = row.pid;
    entry["who"] = TextOrNull(row.who);
    entry["vm_uuid"] = IdOrNull(row.vm);
    entry["gpa"] = row.range ? Json(FormatAddress(row.range->start().value)) : Json();
    entry["length_bytes"] = row.range ? Json(row.range->length()) : Json();
    entry["pages"] = row.pages;
    entry["reason"] = TextOrNull(row.reason);
    json["audit"].push_back(std::move(entry));
  }
  return Line(json);
}

std::string ImportLine(const ImportResult& import) {
  Json json;
  json["lines"] = import.lines;
  json["added"] = import.added;
  json["known"] = import.known;
  json["refused"] = import.refused;
  json["errors"] = Json::array();
  for (const ImportError& error : import.errors)
    json["errors"].push_back({{"line", error.line}, {"text", error.text}});
  return Line(json);
}

std::string ExplainLine(const PolicyReport& report) {
  Json json;
  json["vm"] = report.vm.name;
  json["vm_uuid"] = FormatUuid(report.vm.uuid);
  json["running"] = report.running;
  json["dry_run"] = report.dry_run;
  json["own_policy"] = report.own_policy;
  json["own_policy_errors"] = report.own_errors;
  json["rules"] = Json::array();
  for (const policy::RuleJudgement& judged : report.rules)
    json["rules"].push_back(RuleJson(judged));
  json["decisions"] = Json::array();
  for (const ledger::DecisionRow& row : report.decisions)
    json["decisions"].push_back(DecisionJson(row));
  return Line(json);
}

std::string ErrorLine(const Error& error) {
  Json json;
  json["error"] = {{"code", ToString(error.code)}, {"text", error.Text()}};
  return Line(json);
}

std::string WatchingLine() {
  return Line(Json{{"type", "watching"}});
}

std::string WatchEventLine(const ledger::VmIdentity& vm, const PoisonEvent& event) {
  Json json{{"type", "event"}};
  AddEvent(json["event"], vm, event);
  return Line(json);
}

std::string WatchPageLine(const ledger::PageRow& page) {
  Json json{{"type", "page"}};
  json["page"] = PageJson(page);
  return Line(json);
}

std::string WatchAlarmLine(const ledger::AlarmRow& alarm) {
  Json json{{"type", "alarm"}};
  json["alarm"] = AlarmJson(alarm);
  return Line(json);
}

std::string WatchLostLine(std::uint64_t lost_lines) {
  return Line(Json{{"type", "lost"}, {"lines", lost_lines}});
}

}  // namespace seaward::observe
