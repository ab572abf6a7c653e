// What the code says of itself, for check_contract.py to compare with docs/CONTRACT.md: every key
// that the loaders accept, and one of every JSON line that the notifier can send.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "guest-agent/config/agent_config.h"
#include "host-notifier/chaos/reports.h"
#include "host-notifier/chaos/sample_run_fixture.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/observe/json_lines.h"
#include "host-notifier/observe/notice.h"
#include "host-notifier/observe/record_lines.h"
#include "host-notifier/observe/sample_snapshot_fixture.h"
#include "tests/lab/story/exit_row.h"

namespace seaward {
namespace {

using nlohmann::json;

json Keys(const std::vector<yaml::KeySpec>& keys) {
  json list = json::array();
  for (const yaml::KeySpec& key : keys)
    list.push_back({{"path", key.path}, {"type", key.type}, {"default", key.default_value}});
  return list;
}

lab::ExitRow SampleExitRow() {
  return {.kind = "data_read",
          .flags = 1,
          .esr = 0x92000010,
          .gva = 0xffff9464e018,
          .gpa = 0x48048000,
          .located_by = "gpa",
          .injection = "kvm",
          .guest_esr = 0x92000010,
          .guest_far = 0xffff9464e018,
          .outcome = "signal_7",
          .verdict = "retired",
          .host_retired = "pending",
          .exposure_us = 1500.5,
          .exits_observed = 1};
}

// One of every type of line.
json SampleRecords() {
  using Value = ledger::FieldValue;
  json lines = {observe::RecordHeaderLine(), observe::RecordEndLine(6)};
  for (const ledger::RecordKind kind : ledger::kAllRecordKinds) {
    ledger::LedgerRecord full{kind, {}};
    ledger::LedgerRecord bare{kind, {}};
    for (const ledger::Field& field : ledger::FieldsOf(kind)) {
      Value value = std::max<std::int64_t>(field.least, 4096);
      if (field.most < 4096) value = field.least;
      if (field.type == ledger::FieldType::kText) value = "text";
      if (field.type == ledger::FieldType::kUuid) value = FormatUuid(observe::kSampleVm.uuid);
      if (field.type == ledger::FieldType::kWord) value = std::string(field.words.back());
      full.values.push_back(value);
      bare.values.push_back(field.nullable ? Value() : value);
    }
    lines.push_back(observe::RecordLine(full));
    lines.push_back(observe::RecordLine(bare));
  }
  return lines;
}

json Samples() {
  using namespace observe;
  const ledger::EventRow located{1, kSampleVm, kSampleVm.uuid, 7, SampleEvent()};
  const ledger::EventRow unlocated{2, kSampleVm, kSampleVm.uuid, {}, SampleUnlocatedEvent()};
  const ReportResult report{kSampleVm, SamplePage().Entry(), true};
  StatusSnapshot quiet;
  quiet.host_retire = "off";
  quiet.heal = "off";
  return {{"status", {StatusLine(SampleStatus()), StatusLine(quiet)}},
          {"events", {EventsLine({}), EventsLine({{located, unlocated}, {SampleAlarm()}})}},
          {"report", {ReportLine(report)}},
          {"report-frame",
           {FrameLine({PageFrame{0x4711}, false, {report}, {kSampleVm}}),
            FrameLine({PageFrame{0x4711}, true, {}, {}})}},
          {"watch",
           {WatchingLine(), WatchEventLine(kSampleVm, SampleEvent()),
            WatchEventLine(kSampleVm, SampleUnlocatedEvent()), WatchPageLine(SamplePage()),
            WatchAlarmLine(SampleAlarm()), WatchLostLine(3)}},
          {"can-migrate",
           {MigrationLine({kSampleVm, true, SampleStatus().vms[0].migration}),
            MigrationLine({kSampleVm, false, {}})}},
          {"explain", {ExplainLine(SamplePolicyReport()), ExplainLine({})}},
          {"notice", {NoticeJson(SamplePolicyReport().decisions[0], "host1")}},
          {"domain", {DomainLine(SampleDomainReport())}},
          {"exits",
           {json::array({lab::ToJson({.located_by = "gpa"}), ToJson(SampleExitRow())}).dump()}},
          {"clear", {ClearLine({kSampleVm, {SamplePage()}})}},
          {"replay", {ReplayLine({kSampleVm, 2, true})}},
          {"drain", {DrainLine(SampleDrain()), DrainLine({})}},
          {"audit", {AuditLine({{SampleAudit(), {}}}), AuditLine({})}},
          {"import", {ImportLine({.lines = 3, .added = 1, .refused = 1, .errors = {{2, "odd"}}})}},
          {"ledger-record", SampleRecords()},
          {"chaos-run", {chaos::JsonReport(chaos::SampleRun())}},
          {"error", {ErrorLine({ErrorCode::kNotFound, ENOENT, "no VM"})}}};
}

}  // namespace
}  // namespace seaward

int main() {
  const nlohmann::json dump = {
      {"keys",
       {{"notifier.yaml", seaward::Keys(seaward::config::DescribeNotifierConfig())},
        {"agent.yaml", seaward::Keys(seaward::agent::DescribeAgentConfig())},
        {"seaward-chaos.yaml", seaward::Keys(seaward::chaos::DescribeScenario())}}},
      {"samples", seaward::Samples()}};
  std::puts(dump.dump(1).c_str());
  return 0;
}
