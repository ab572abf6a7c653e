#include "host-notifier/classify/classify.h"

#include <algorithm>

#include "protocol/format.h"

namespace seaward {
namespace {

// Linux include/uapi/linux/kvm.h: the only flag of kvm_run.arm_sea.
constexpr std::uint64_t kGpaValid = 1;

// ESR_EL2 fields (Arm ARM D17.2.37, ISS encodings for data and instruction aborts).
constexpr unsigned kEcShift = 26;
constexpr std::uint64_t kEcMask = 0x3f;
constexpr std::uint64_t kFnv = std::uint64_t{1} << 10;
constexpr unsigned kSetShift = 11;
constexpr std::uint64_t kFscMask = 0x3f;

enum class AbortKind { kUnknown, kExternal, kExternalOnWalk, kParity, kParityOnWalk };

AbortKind KindOf(std::uint64_t esr) {
  const std::uint64_t fsc = esr & kFscMask;
  if (fsc == 0x10) return AbortKind::kExternal;
  if (fsc >= 0x13 && fsc <= 0x17) return AbortKind::kExternalOnWalk;
  if (fsc == 0x18) return AbortKind::kParity;
  if (fsc >= 0x1b && fsc <= 0x1f) return AbortKind::kParityOnWalk;
  return AbortKind::kUnknown;
}

Access AccessOf(std::uint64_t esr) {
  const std::uint64_t ec = (esr >> kEcShift) & kEcMask;
  const bool data = ec == 0x24 || ec == 0x25;
  const bool instruction = ec == 0x20 || ec == 0x21;
  if (!data && !instruction) return Access::kUnknown;
  switch (KindOf(esr)) {
    case AbortKind::kExternalOnWalk:
    case AbortKind::kParityOnWalk:
      return Access::kTableWalk;
    case AbortKind::kExternal:
    case AbortKind::kParity:
      return data ? Access::kData : Access::kInstruction;
    case AbortKind::kUnknown:
      return Access::kUnknown;
  }
  return Access::kUnknown;
}

// SET is defined for FSC 0x10 alone.
Severity SeverityOf(std::uint64_t esr, Access access) {
  if (access == Access::kUnknown || KindOf(esr) != AbortKind::kExternal) return Severity::kUnknown;
  switch ((esr >> kSetShift) & 3) {
    case 0:
      return Severity::kRecoverable;
    case 2:
      return Severity::kUncontainable;
    case 3:
      return Severity::kRestartable;
    default:
      return Severity::kUnknown;
  }
}

}  // namespace

PoisonEvent ClassifyExit(const RawExit& exit) {
  PoisonEvent event;
  event.when = exit.when;
  event.wall = exit.wall;
  event.vcpu = exit.vcpu;
  event.count = std::max(exit.count, 1u);
  event.hva = exit.hva;
  event.flags = exit.flags;
  event.esr = exit.esr;
  event.raw_gva = exit.gva;
  event.raw_gpa = exit.walked ? 0 : exit.gpa;
  event.access = AccessOf(exit.esr);
  event.severity = SeverityOf(exit.esr, event.access);

  const bool address_valid = event.access != Access::kUnknown && (exit.esr & kFnv) == 0;
  if (!address_valid) return event;
  event.gva = GuestVirtAddr{exit.gva};
  event.location = Location::kGvaOnly;
  if (exit.gpa >> protocol::kMaxGuestPhysBits != 0) return event;
  const bool gpa_valid = (exit.flags & kGpaValid) != 0;
  if (event.access == Access::kTableWalk) {
    if (!exit.walked || gpa_valid) return event;
    event.suspect = ByteRange::Granule(GuestPhysAddr{exit.gpa});
    event.location = Location::kSuspected;
    return event;
  }
  if (!gpa_valid || exit.walked) return event;
  event.range = ByteRange::Granule(GuestPhysAddr{exit.gpa});
  event.location = Location::kLocated;
  return event;
}

PoisonEvent ClassifyReport(const ByteRange& range, protocol::Evidence evidence, MonoTime when,
                           WallTime wall) {
  PoisonEvent event;
  event.range = range.AlignedTo(kPoisonGranule);
  event.evidence = evidence;
  event.location = Location::kLocated;
  event.source = Source::kReport;
  event.when = when;
  event.wall = wall;
  return event;
}

PoisonEvent ClassifyPlaceless(protocol::Evidence evidence, MonoTime when, WallTime wall) {
  PoisonEvent event;
  event.evidence = evidence;
  event.source = Source::kReport;
  event.when = when;
  event.wall = wall;
  return event;
}

LocatedBy PoisonEvent::located_by() const {
  switch (location) {
    case Location::kLocated:
      return LocatedBy::kGpa;
    case Location::kSuspected:
      return LocatedBy::kWalk;
    case Location::kGvaOnly:
    case Location::kUnlocated:
      return LocatedBy::kNone;
  }
  return LocatedBy::kNone;
}

std::string_view ToString(Location location) {
  switch (location) {
    case Location::kLocated:
      return "located";
    case Location::kSuspected:
      return "suspected";
    case Location::kGvaOnly:
      return "gva_only";
    case Location::kUnlocated:
      return "unlocated";
  }
  return "unknown";
}

std::string_view ToString(LocatedBy located_by) {
  switch (located_by) {
    case LocatedBy::kGpa:
      return "gpa";
    case LocatedBy::kGuest:
      return "guest";
    case LocatedBy::kWalk:
      return "walk";
    case LocatedBy::kNone:
      return "none";
  }
  return "unknown";
}

std::string_view ToString(Access access) {
  switch (access) {
    case Access::kUnknown:
      return "unknown";
    case Access::kData:
      return "data";
    case Access::kInstruction:
      return "instruction";
    case Access::kTableWalk:
      return "table_walk";
  }
  return "unknown";
}

std::string_view ToString(Severity severity) {
  switch (severity) {
    case Severity::kUnknown:
      return "unknown";
    case Severity::kRecoverable:
      return "recoverable";
    case Severity::kRestartable:
      return "restartable";
    case Severity::kUncontainable:
      return "uncontainable";
  }
  return "unknown";
}

std::string_view ToString(Source source) {
  switch (source) {
    case Source::kExit:
      return "exit";
    case Source::kHostKernel:
      return "host_kernel";
    case Source::kHypervisor:
      return "hypervisor";
    case Source::kReport:
      return "report";
  }
  return "unknown";
}

}  // namespace seaward
