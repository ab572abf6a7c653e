// One of everything that can be shown, for tests of the JSON and its schemas.
#pragma once

#include "host-notifier/observe/domain_report.h"
#include "host-notifier/observe/policy_report.h"
#include "host-notifier/observe/snapshot.h"
#include "host-notifier/observe/upkeep.h"

namespace seaward::observe {

inline const ledger::VmIdentity kSampleVm{ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809").value(),
                                          "g1"};

inline PoisonEvent SampleEvent() {
  PoisonEvent event;
  event.range = ByteRange::Granule(GuestPhysAddr{0x48048000});
  event.gva = GuestVirtAddr{0xffff800012345678};
  event.location = Location::kLocated;
  event.access = Access::kData;
  event.severity = Severity::kRecoverable;
  event.when = MonoTime(std::chrono::nanoseconds(123456789));
  event.wall = WallTime(std::chrono::microseconds(1700000000000001));
  event.vcpu = 3;
  event.flags = 1;
  event.esr = 0x92000010;
  event.raw_gva = 0xffff800012345678;
  event.raw_gpa = 0x48048000;
  event.hva = HostVirtAddr{0x7f0000000000};
  return event;
}

inline PoisonEvent SampleUnlocatedEvent() {
  PoisonEvent event;
  event.esr = 0x92000610;
  event.severity = Severity::kUncontainable;
  return event;
}

inline ledger::PageRow SamplePage() {
  ledger::PageRow page;
  page.id = 7;
  page.vm = kSampleVm;
  page.incarnation = kSampleVm.uuid;
  page.range = ByteRange::Granule(GuestPhysAddr{0x48048000});
  page.life = ledger::PageLife::kRetired;
  page.event_count = 2;
  page.first_seen = WallTime(std::chrono::microseconds(1700000000000001));
  page.last_seen = WallTime(std::chrono::microseconds(1700000000000002));
  page.host_frame = PageFrame{0x12345};
  page.host_retired = ledger::HostRetired::kPending;
  page.heal = ledger::HealState::kRefused;
  page.heal_reason = "vfio";
  page.outcome = protocol::Outcome::kRetired;
  page.kind = protocol::PageKind::kAnonymous;
  page.stage = protocol::Stage::kRun;
  page.protected_by = ledger::Protection::kRun;
  page.exposure = std::chrono::nanoseconds(734999);
  return page;
}

// 200 pages: 195 are kept from the kernel, and some of each other kind.
inline std::vector<ledger::PageCount> SampleCounts() {
  const WallTime oldest(std::chrono::seconds(100));
  const auto count = [&](ledger::PageLife life, ledger::Protection by, protocol::Outcome outcome,
                         protocol::PageKind kind, std::uint64_t pages) {
    return ledger::PageCount{kSampleVm.uuid, life, by, outcome, kind, pages, oldest};
  };
  using protocol::Outcome;
  using protocol::PageKind;
  return {count(ledger::PageLife::kExcluded, ledger::Protection::kBeforeKernel,
                Outcome::kExcludedBeforeBoot, PageKind::kOffline, 195),
          count(ledger::PageLife::kRetired, ledger::Protection::kEarly, Outcome::kRetired,
                PageKind::kFree, 1),
          count(ledger::PageLife::kFailed, ledger::Protection::kNever, Outcome::kInKernel,
                PageKind::kReserved, 2),
          count(ledger::PageLife::kFailed, ledger::Protection::kNever, Outcome::kNotRam,
                PageKind::kReserved, 1),
          ledger::PageCount{.vm = kSampleVm.uuid, .outcome = {}, .pages = 1, .oldest = oldest}};
}

inline ledger::LossRow SampleLoss() {
  return {.id = 5,
          .vm = kSampleVm,
          .incarnation = kSampleVm.uuid,
          .page = 7,
          .boot = kSampleVm.uuid,
          .range = ByteRange::Granule(GuestPhysAddr{0x48048000}),
          .lost_bytes = 4096,
          .pid = 4711,
          .comm = "postgres",
          .cgroup = "/system.slice/db.service\x1b[2J",
          .when = WallTime(std::chrono::microseconds(1700000000000001))};
}

// One VM at its richest, one that only the ledger knows.
inline StatusSnapshot SampleStatus() {
  VmSnapshot live;
  live.vm = kSampleVm;
  live.running = live.attached = live.channel_open = true;
  live.session = "live";
  live.incarnation = kSampleVm.uuid;
  live.boot = kSampleVm.uuid;
  live.migration = {false, "2 pages of bad memory (8192 bytes) would be read", 2, 8192, 0};
  live.alarms = {
      {ledger::AlarmKind::kUnsafeToMigrate, WallTime(std::chrono::microseconds(1700000000000001))}};
  live.events.located = 2;
  live.ring.lost = 1;
  live.ring.native_fallbacks = 4;
  live.ring.holds_begun = 9;
  live.ring.holds_answered = 6;
  live.ring.holds_timed_out = 2;
  live.heals = {2, {{"vfio", 3}, {"io_uring", 0}}};
  live.agent = protocol::Stats{.retired_bytes = 4096};
  ledger::PageRow untold;
  untold.id = 8;
  untold.vm = kSampleVm;
  live.pages = {SamplePage(), untold};
  live.boot_list = {protocol::ListResult::kApplied, 1, 196, 195};
  live.counts = SampleCounts();
  live.page_losses = 1;
  live.losses = {{SampleLoss()}};
  VmSnapshot ended;
  ended.vm = {Uuid{}, "gone\x1b[2J\xff"};
  ended.session = "none";
  ended.channel_error = "connection refused";
  StatusSnapshot status;
  status.host_retire = "auto";
  status.heal = "when_retired";
  status.libvirt_enabled = true;
  status.libvirt_error = "no libvirtd";
  status.rebuild = {WallTime(std::chrono::microseconds(1700000000000001)),
                    "/var/lib/seaward/ledger.db.corrupt-1700000000", "malformed"};
  status.draining = true;
  status.vms = {live, ended};
  return status;
}

inline ledger::AlarmRow SampleAlarm() {
  return {3, kSampleVm, ledger::AlarmKind::kUnattached, true,
          WallTime(std::chrono::microseconds(1700000000000001))};
}

inline ledger::AuditRow SampleAudit() {
  return {.id = 4,
          .when = WallTime(std::chrono::microseconds(1700000000000001)),
          .action = ledger::OperatorAction::kClear,
          .uid = 0,
          .pid = 4711,
          .who = "ann",
          .vm = kSampleVm.uuid,
          .range = ByteRange::Granule(GuestPhysAddr{0x48048000}),
          .pages = 1,
          .reason = "DIMM replaced"};
}

inline DrainResult SampleDrain() {
  DrainResult drain;
  drain.drained = true;
  drain.waited = std::chrono::milliseconds(12);
  drain.silent_vms = {"g2\x1b[2J"};
  drain.resumes_in = std::chrono::seconds(600);
  return drain;
}

inline PolicyReport SamplePolicyReport() {
  const WallTime then(std::chrono::microseconds(1700000000000001));
  policy::Rule many;
  many.name = "many";
  many.at_least = 8;
  many.within = std::chrono::seconds(3600);
  policy::Rule late;
  late.name = "late";
  late.when = policy::Condition::kUnretiredPages;
  late.unretired_for = std::chrono::seconds(60);
  const policy::Action tell{"ops", policy::Intervention::kNone};
  const policy::Action restart{"", policy::Intervention::kColdRestart};
  PolicyReport report;
  report.vm = kSampleVm;
  report.running = true;
  report.own_policy = true;
  report.own_errors = {"metadata of g1:1:1: error: unknown key 'ruels'"};
  report.rules = {{many, 9, true, {{tell, policy::Judgement::kDuplicate, then}}},
                  {late, 0, false, {{restart, policy::Judgement::kNotMet, {}}}}};
  ledger::DecisionRow told;
  told.id = 4;
  told.vm = kSampleVm;
  told.incarnation = kSampleVm.uuid;
  told.rule = "many";
  told.action = tell;
  told.state = policy::ActionState::kDone;
  told.reason = "8 pages within 3600 s; the rule wants at least 8";
  told.counted = 8;
  told.attempts = 2;
  told.result = "HTTP 200";
  told.decided = told.changed = told.expires = then;
  ledger::DecisionRow limited = told;
  limited.action = restart;
  limited.state = policy::ActionState::kLimited;
  limited.result.clear();
  report.decisions = {told, limited};
  return report;
}

inline DomainReport SampleDomainReport() {
  DomainReport report;
  report.vm = kSampleVm;
  report.running = true;
  report.findings = {{"accelerator", FindingState::kOk, "KVM"},
                     {"preload", FindingState::kLacking, "not there"},
                     {"ghes", FindingState::kNote, "not on\x1b[2J"}};
  report.recipe = {{"channel", "devices", "<channel/>\n", true},
                   {"commandline", "domain", "<qemu:commandline/>\n", false}};
  return report;
}

}  // namespace seaward::observe
