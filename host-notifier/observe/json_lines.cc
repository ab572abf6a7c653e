#include "host-notifier/observe/json_lines.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace seaward::observe {
namespace {

// Keys stay in the order in which people read them.
using Json = nlohmann::ordered_json;
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

// How every answer about one VM begins.
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

Json MigrationJson(const MigrationState& state) {
  Json json;
  json["safe"] = state.safe;
  json["reason"] = TextOrNull(state.reason);
  json["unhealed_pages"] = state.unhealed_pages;
  json["unhealed_bytes"] = state.unhealed_bytes;
  json["unlocated_events"] = state.unlocated_events;
  return json;
}

Json ActiveAlarmsJson(const std::vector<ActiveAlarm>& alarms) {
  Json json = Json::array();
  for (const ActiveAlarm& alarm : alarms)
    json.push_back({{"alarm", ledger::ToString(alarm.kind)},
                    {"since_unix_us", UnixMicroseconds(alarm.since)}});
  return json;
}

Json AgentJson(const std::optional<protocol::Stats>& stats) {
  if (!stats) return Json();
  Json json;
  json["retired_bytes"] = stats->retired_bytes;
  json["budget_bytes"] = stats->budget_bytes;
  json["hardware_corrupted_bytes"] = stats->hardware_corrupted_bytes;
  json["dropped_bytes"] = stats->dropped_bytes;
  json["rejected_frames"] = stats->rejected_frames;
  return json;
}

Json CountsJson(const VmSnapshot& vm) {
  Json json;
  json["located"] = vm.events.located;
  json["suspected"] = vm.events.suspected;
  json["gva_only"] = vm.events.gva_only;
  json["unlocated"] = vm.events.unlocated;
  json["not_yet_recorded"] = vm.events.not_yet_recorded;
  json["unrecordable"] = vm.events.unrecordable;
  json["pruned"] = vm.events_pruned;
  json["records_taken"] = vm.ring.taken;
  json["coalesced"] = vm.ring.coalesced;
  json["lost"] = vm.ring.lost;
  json["failed_injections"] = vm.ring.failed_injections;
  json["native_fallbacks"] = vm.ring.native_fallbacks;
  json["rests"] = vm.ring.rests;
  json["malformed"] = vm.ring.malformed;
  return json;
}

Json HealsJson(const HealCounts& heals) {
  Json json;
  json["healed"] = heals.healed;
  std::uint64_t refused = 0;
  for (const auto& [reason, count] : heals.refusals) refused += count;
  json["refused"] = refused;
  return json;
}

Json VmJson(const VmSnapshot& vm, bool with_pages) {
  Json json;
  json["name"] = vm.vm.name;
  json["uuid"] = FormatUuid(vm.vm.uuid);
  json["running"] = vm.running;
  json["attached"] = vm.attached;
  json["channel_open"] = vm.channel_open;
  json["channel_error"] = TextOrNull(vm.channel_error);
  json["session"] = vm.session;
  json["has_ghes"] = vm.has_ghes;
  json["incarnation"] = IdOrNull(vm.incarnation);
  json["boot_id"] = IdOrNull(vm.boot);
  json["reboots"] = vm.reboots;
  json["protocol_faults"] = vm.protocol_faults;
  json["migration"] = MigrationJson(vm.migration);
  json["alarms"] = ActiveAlarmsJson(vm.alarms);
  json["events"] = CountsJson(vm);
  json["heals"] = HealsJson(vm.heals);
  json["agent"] = AgentJson(vm.agent);
  json["pages"] = with_pages ? Json::array() : Json();  // the last key: StatusText fills it
  return json;
}

// Of an object whose last value is an array that is to be continued.
constexpr std::string_view kEnd = "]}";
std::string WithoutEnd(std::string text) {
  text.resize(text.size() - kEnd.size());
  return text;
}

Json RebuildJson(const std::optional<ledger::RebuildRow>& rebuild) {
  if (!rebuild) return Json();
  return {{"since_unix_us", UnixMicroseconds(rebuild->since)},
          {"set_aside", rebuild->set_aside},
          {"why", rebuild->why},
          {"pages_from_guests", rebuild->pages},
          {"vms_to_ask", rebuild->vms_to_ask}};
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

Json HostErrorsJson(const StatusSnapshot& status) {
  return {{"trace_open", status.host_trace_open},
          {"trace_error", TextOrNull(status.host_trace_error)},
          {"located", status.frames.located},
          {"placeless", status.frames.placeless},
          {"of_no_vm", status.frames.of_no_vm},
          {"echoes", status.frames.echoes},
          {"repeats", status.frames.repeats},
          {"dropped", status.frames.dropped},
          {"lost", status.frames.lost}};
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

StatusText::StatusText(StatusSnapshot status) : status_(std::move(status)) {
  Json json;
  json["version"] = SEAWARD_VERSION;
  json["host_retire"] = status_.host_retire;
  json["heal"] = status_.heal;
  json["libvirt"] = {{"enabled", status_.libvirt_enabled},
                     {"connected", status_.libvirt_connected},
                     {"error", TextOrNull(status_.libvirt_error)},
                     {"losses", status_.libvirt_losses},
                     {"ignored_domains", status_.ignored_domains}};
  json["ledger"] = {{"writable", status_.ledger_error.empty()},
                    {"error", TextOrNull(status_.ledger_error)},
                    {"rebuilt", RebuildJson(status_.rebuild)}};
  json["host_errors"] = HostErrorsJson(status_);
  json["draining"] = status_.draining;
  json["pages_complete"] = status_.pages_complete;
  json["attach"] = {{"accepted", status_.attaches},
                    {"refused", status_.attaches_refused},
                    {"early", status_.attaches_early}};
  json["vms"] = Json::array();
  line_ = WithoutEnd(Line(json));
}

// Pages and VMs are written one by one: a tree of all of them takes ten times its text.
bool StatusText::Go() {
  constexpr std::size_t kPagesPerStep = 128;
  if (vm_ > 0) {
    const std::vector<ledger::PageRow>& pages = status_.vms[vm_ - 1].pages;
    const std::size_t end = std::min(page_ + kPagesPerStep, pages.size());
    for (; page_ < end; ++page_) line_ += (page_ > 0 ? "," : "") + Line(PageJson(pages[page_]));
    if (page_ < pages.size()) return true;
    if (status_.with_pages) line_ += kEnd;
  }
  if (vm_ == status_.vms.size()) {
    line_ += kEnd;
    return false;
  }
  if (vm_ > 0) line_ += ',';
  const std::string vm = Line(VmJson(status_.vms[vm_++], status_.with_pages));
  line_ += status_.with_pages ? WithoutEnd(vm) : vm;
  page_ = 0;
  return true;
}

std::string StatusLine(const StatusSnapshot& status) {
  StatusText text(status);
  while (text.Go()) {
  }
  return text.Take();
}

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
