// The answer to `status`, one piece after the other.
#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "host-notifier/observe/json_lines.h"
#include "host-notifier/observe/json_parts.h"

namespace seaward::observe {
namespace {

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
  json["holds_begun"] = vm.ring.holds_begun;
  json["holds_answered"] = vm.ring.holds_answered;
  json["holds_timed_out"] = vm.ring.holds_timed_out;
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

Json BootListJson(const std::optional<protocol::BeforeKernel>& list) {
  if (!list) return Json();
  return {{"result", protocol::ToString(list->result)},
          {"boots", list->boots},
          {"listed_pages", list->listed_pages},
          {"protected_pages", list->protected_pages}};
}

Json CoverageJson(const std::optional<std::vector<ledger::PageCount>>& counts) {
  if (!counts) return Json();
  std::map<ledger::Protection, std::uint64_t> shares;
  std::map<std::pair<protocol::Outcome, protocol::PageKind>, std::uint64_t> never;
  std::uint64_t pages = 0;
  for (const ledger::PageCount& count : *counts) {
    pages += count.pages;
    shares[count.protection] += count.pages;
    if (count.protection == ledger::Protection::kNever && count.outcome)
      never[{*count.outcome, count.kind}] += count.pages;
  }
  Json json;
  json["pages"] = pages;
  for (const ledger::Protection protection : ledger::kAllProtections)
    json[std::string(ledger::ToString(protection))] = shares[protection];
  json["never_why"] = Json::array();
  for (const auto& [why, of_them] : never)
    json["never_why"].push_back({{"outcome", protocol::ToString(why.first)},
                                 {"kind", protocol::ToString(why.second)},
                                 {"pages", of_them}});
  return json;
}

Json LossesJson(const std::optional<std::vector<ledger::LossRow>>& losses) {
  if (!losses) return Json();
  Json json = Json::array();
  for (const ledger::LossRow& loss : *losses)
    json.push_back({{"page", loss.page},
                    {"gpa", FormatAddress(loss.range.start().value)},
                    {"length_bytes", loss.range.length()},
                    {"lost_bytes", loss.lost_bytes},
                    {"pid", loss.pid},
                    {"comm", TextOrNull(loss.comm)},
                    {"cgroup", TextOrNull(loss.cgroup)},
                    {"boot_id", FormatUuid(loss.boot)},
                    {"heard_unix_us", UnixMicroseconds(loss.when)}});
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
  json["boot_list"] = BootListJson(vm.boot_list);
  json["coverage"] = CoverageJson(vm.counts);
  json["page_losses"] = vm.page_losses;
  json["losses"] = LossesJson(vm.losses);
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

}  // namespace seaward::observe
