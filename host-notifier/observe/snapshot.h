// What an operator may see of the notifier at one moment, as plain values. docs/CONTRACT.md names
// the JSON that comes of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host-notifier/ledger/ledger_rows.h"

namespace seaward::observe {

struct EventCounts {
  std::uint64_t located = 0;
  std::uint64_t suspected = 0;
  std::uint64_t gva_only = 0;
  std::uint64_t unlocated = 0;
  std::uint64_t not_yet_recorded = 0;  // wait for the ledger
  std::uint64_t unrecordable = 0;      // the ledger refused them for good
};

// Of the rings that the VM's process attached.
struct RingCounts {
  std::uint64_t taken = 0;
  std::uint64_t coalesced = 0;
  std::uint64_t lost = 0;  // knowledge is incomplete when not 0
  std::uint64_t failed_injections = 0;
  std::uint64_t native_fallbacks = 0;
  std::uint64_t rests = 0;
  std::uint64_t holds_begun = 0;
  std::uint64_t holds_answered = 0;
  std::uint64_t holds_timed_out = 0;
  std::uint64_t malformed = 0;
};

// An alarm that stands now.
struct ActiveAlarm {
  ledger::AlarmKind kind = ledger::AlarmKind::kUnattached;
  WallTime since;
};

// Whether everything that reads a VM's whole memory would survive it.
struct MigrationState {
  bool safe = true;
  std::string reason;  // empty when safe
  std::uint64_t unhealed_pages = 0;
  std::uint64_t unhealed_bytes = 0;
  std::uint64_t unlocated_events = 0;
};

// Bad pages that its VMM was to replace, since the VM is known.
struct HealCounts {
  std::uint64_t healed = 0;
  std::map<std::string, std::uint64_t> refusals;  // by reason
};

// One VM: what is live of it, and its rows.
struct VmSnapshot {
  ledger::VmIdentity vm;
  bool running = false;
  bool attached = false;  // a VMM publishes its exits to us
  bool channel_open = false;
  std::string channel_error;  // empty: none
  bool has_ghes = false;
  std::string session;  // the phase's word; "none" for a VM that only the ledger knows
  std::optional<Uuid> incarnation;
  std::optional<Uuid> boot;
  std::uint64_t reboots = 0;
  std::uint64_t protocol_faults = 0;
  std::uint64_t overdue_verdicts = 0;  // entries whose verdict the guest owes for too long
  MigrationState migration;
  std::vector<ActiveAlarm> alarms;
  EventCounts events;
  RingCounts ring;
  HealCounts heals;
  std::uint64_t events_pruned = 0;
  std::optional<protocol::Stats> agent;  // what the agent last said of itself
  // What became of the guest's list of pages to keep from the kernel of this boot.
  std::optional<protocol::BeforeKernel> boot_list;
  std::uint64_t page_losses = 0;  // processes that lost a page, since the VM is known
  // Of the present memory; none: nobody asked.
  std::optional<std::vector<ledger::PageCount>> counts;
  std::optional<std::vector<ledger::LossRow>> losses;  // the newest; none: nobody asked
  std::vector<ledger::PageRow> pages;
};

// Bad frames of the host that were named by operators, tools and the host's kernel, and errors that
// libvirt told of, since the start.
struct FrameCounts {
  std::uint64_t located = 0;
  std::uint64_t placeless = 0;  // in a VM, nobody knows where
  std::uint64_t of_no_vm = 0;
  std::uint64_t echoes = 0;   // of frames that this notifier retired
  std::uint64_t repeats = 0;  // of the same frame within a few seconds
  std::uint64_t dropped = 0;  // could not be looked for, or recorded
  std::uint64_t lost = 0;     // the kernel's buffer was full
};

struct StatusSnapshot {
  std::string host_retire;
  std::string heal;
  bool libvirt_enabled = false;
  bool libvirt_connected = false;
  std::string libvirt_error;
  std::string ledger_error;                   // empty: writable
  std::optional<ledger::RebuildRow> rebuild;  // of the newest ledger that was corrupt
  bool draining = false;
  std::uint64_t attaches = 0;
  std::uint64_t attaches_refused = 0;
  std::uint64_t attaches_early = 0;
  std::uint64_t libvirt_losses = 0;
  std::uint64_t ignored_domains = 0;  // running without our channel
  bool host_trace_open = false;       // the host's kernel is listened to
  std::string host_trace_error;       // why not; empty: it is, or is not to be
  FrameCounts frames;
  bool with_pages = true;      // false: nobody asked for them
  bool pages_complete = true;  // false: there are more than one answer holds
  std::vector<VmSnapshot> vms;
};

// What `seawardctl events` shows.
struct EventsSnapshot {
  std::vector<ledger::EventRow> events;
  std::vector<ledger::AlarmRow> alarms;
};

// What `seawardctl can-migrate` says.
struct MigrationReport {
  ledger::VmIdentity vm;
  bool running = false;
  MigrationState state;
};

// What became of `seawardctl report`.
struct ReportResult {
  ledger::VmIdentity vm;
  protocol::PoisonEntry entry;
  bool is_new = false;
};

// What became of a report of a frame of the host.
struct FrameReport {
  PageFrame frame;
  bool retired = false;  // by this notifier: no news
  std::vector<ReportResult> pages;
  // VMs that have it at a place that nobody can name: recorded as an error somewhere.
  std::vector<ledger::VmIdentity> placeless;
};

}  // namespace seaward::observe
