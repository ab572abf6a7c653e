// What the ledger knows, as values.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/process_identity.h"
#include "base/units.h"
#include "base/uuid.h"
#include "host-notifier/classify/poison_event.h"
#include "host-notifier/ledger/page_life.h"
#include "host-notifier/ledger/protection.h"
#include "protocol/messages.h"

namespace seaward::ledger {

// Whether the frame behind a page was taken away from the host's allocator.
enum class HostRetired {
  kNo,       // the frame is unknown, must not be retired, or belongs to an earlier host boot
  kPending,  // to be done; when: hostpage
  kYes,
  kRefused,  // the host kernel said no
};
std::string_view ToString(HostRetired state);

// Whether the VMM put a fresh page in the place of the bad one.
enum class HealState {
  kNo,       // it was not asked to
  kOrdered,  // it was, and has not said what became of it
  kHealed,   // it did, and the kernel agrees: the page is cleared
  kRefused,  // heal_reason says why
};
std::string_view ToString(HealState state);

// What an operator should be told without asking.
enum class AlarmKind {
  kUnattached,       // the VM runs and nobody publishes its memory errors
  kUnsafeToMigrate,  // it holds bad memory that migrate, save, dump and memory snapshots would read
};
inline constexpr AlarmKind kAllAlarmKinds[] = {AlarmKind::kUnattached, AlarmKind::kUnsafeToMigrate};
std::string_view ToString(AlarmKind kind);

struct VmIdentity {
  Uuid uuid;
  std::string name;
};

struct VmRow {
  VmIdentity vm;
  std::uint64_t events_pruned = 0;  // older event rows that made room for newer ones
};

struct IncarnationRow {
  Uuid id;
  VmIdentity vm;
  ProcessIdentity vmm;
  WallTime began;
  std::optional<WallTime> ended;
  std::optional<Uuid> boot;  // the guest's newest boot_id
  std::uint32_t boots = 0;   // boot sessions seen
  bool recall_due = false;   // its guest is to say what it knows, and has not
  // Of this boot's list of pages to keep from the kernel; none: nothing ran before the kernel, or
  // the guest has not said.
  std::optional<protocol::BeforeKernel> boot_list;
};

struct PageRow {
  std::uint64_t id = 0;  // PoisonEntry.id
  VmIdentity vm;
  Uuid incarnation;
  ByteRange range = ByteRange::Granule({});
  protocol::Evidence evidence = protocol::Evidence::kConsumed;
  LocatedBy located_by = LocatedBy::kGpa;
  PageLife life = PageLife::kReported;
  std::uint64_t event_count = 0;
  WallTime first_seen;
  WallTime last_seen;
  bool replay = false;  // known from an earlier boot of this incarnation
  std::optional<PageFrame> host_frame;
  std::optional<HostVirtAddr> host_address;  // of the page in the VMM, where that frame was
  HostRetired host_retired = HostRetired::kNo;
  int host_errno = 0;
  HealState heal = HealState::kNo;
  std::string heal_reason;  // of a refusal; a word of docs/CONTRACT.md
  // Of the newest verdict that covers the page, this boot's or an earlier one's.
  std::optional<protocol::Outcome> outcome;
  protocol::PageKind kind = protocol::PageKind::kUnknown;
  std::optional<protocol::Stage> stage;
  int sys_errno = 0;
  // By whom it was last protected, in this boot or an earlier one.
  std::optional<Protection> protected_by;
  // From the first exit to the first verdict `retired`; none before it.
  std::optional<std::chrono::nanoseconds> exposure;

  protocol::PoisonEntry Entry() const { return {id, range, evidence, replay}; }
};

struct EventRow {
  std::uint64_t id = 0;
  VmIdentity vm;
  Uuid incarnation;
  std::optional<std::uint64_t> page;
  PoisonEvent event;
};

// A process that lost a page, by its guest's word.
struct LossRow {
  std::uint64_t id = 0;
  VmIdentity vm;
  Uuid incarnation;
  std::uint64_t page = 0;
  Uuid boot;
  ByteRange range = ByteRange::Granule({});
  std::uint64_t lost_bytes = 0;  // a whole huge page, of which `range` is a part
  std::uint32_t pid = 0;         // 0: no process was found
  std::string comm;
  std::string cgroup;
  WallTime when;  // the host heard of it
};

// An alarm that was raised, or is over.
struct AlarmRow {
  std::uint64_t id = 0;
  VmIdentity vm;
  AlarmKind kind = AlarmKind::kUnattached;
  bool raised = false;
  WallTime when;
};

// Bad memory that the running VM still has, by what the ledger knows of one incarnation. Predicted
// errors do not count: their data is good.
struct UnhealedMemory {
  std::uint64_t pages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t placeless_events = 0;  // errors somewhere; counted up to kMostPlaceless
};
inline constexpr std::uint64_t kMostPlaceless = 1000;

// What an operator did, or had done; and what a guest was let do to the record.
enum class OperatorAction { kClear, kReplay, kDrain, kImport, kRebuild };
inline constexpr OperatorAction kAllOperatorActions[] = {
    OperatorAction::kClear, OperatorAction::kReplay, OperatorAction::kDrain,
    OperatorAction::kImport, OperatorAction::kRebuild};
std::string_view ToString(OperatorAction action);

struct AuditRow {
  std::uint64_t id = 0;
  WallTime when;
  OperatorAction action = OperatorAction::kClear;
  uid_t uid = 0;  // the kernel's word on who asked
  pid_t pid = 0;
  std::string who;         // what they call themselves
  std::optional<Uuid> vm;  // kept when the VM is not
  std::optional<ByteRange> range;
  std::uint64_t pages = 0;  // how many it was about
  std::string reason;
};

// A ledger that began because its predecessor was corrupt.
struct RebuildRow {
  WallTime since;
  std::string set_aside;  // where the corrupt file is
  std::string why;
  std::uint64_t pages = 0;       // that guests have brought back
  std::uint64_t vms_to_ask = 0;  // VMs that run, and whose guest has not answered yet
};

// Rows older than these go, and the oldest of each kind beyond `max_rows`.
struct RetentionPolicy {
  WallTime closed_before;  // pages that are closed or cleared
  WallTime events_before;
  WallTime audit_before;
  std::uint64_t max_rows = 1000000;
  std::uint32_t batch_rows = 500;  // of one commit: events wait behind it
};

struct RecordedEvent {
  // What the guest is to hear; none when the event has no place, or the limit is reached.
  std::optional<protocol::PoisonEntry> entry;
  bool is_new = false;           // the first event of this page
  bool evidence_raised = false;  // predicted before, worse now: deliver again
  bool limit_reached = false;    // of pages (ledger_limits.h): recorded as an event only
};

// What became of a guest's claims.
struct RecordedClaims {
  std::vector<PageRow> pages;  // new ones
  std::uint64_t known = 0;     // on record already
  std::uint64_t refused = 0;   // beyond LedgerLimits::claims_per_incarnation
  // With the last of them: how many pages the ledger has from this guest alone.
  std::optional<std::uint64_t> all;
};

struct RecordedVerdict {
  PageRow page;
  bool exposure_ended = false;  // with this verdict
};

// Wanted pages of one VM's present memory that are alike.
struct PageCount {
  Uuid vm;
  PageLife life = PageLife::kReported;
  Protection protection = Protection::kPending;
  std::optional<protocol::Outcome> outcome;
  protocol::PageKind kind = protocol::PageKind::kUnknown;
  std::uint64_t pages = 0;
  WallTime oldest;  // the earliest first error among them
};

// A page whose frame waits for retirement in the host.
// What is behind a VM's memory when its process is another one.
enum class Backing {
  kFresh,  // other frames
  kFixed,  // the same: a file of huge pages that stays, memory of a device
};

struct PendingFrame {
  std::uint64_t page = 0;
  VmIdentity vm;
  Uuid incarnation;
  PageFrame frame;
  PageLife life = PageLife::kReported;
  bool vm_ended = false;
};

}  // namespace seaward::ledger
