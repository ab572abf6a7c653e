// PoisonEvent: one thing the host learned about bad memory of one VM. The vocabulary that ring,
// session, ledger, policy and observe share. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/units.h"
#include "protocol/messages.h"

namespace seaward {

// How much is known about where the poison is.
enum class Location {
  kLocated,    // a guest physical range
  kSuspected,  // a guest physical range that may hold the bad word: found, not told
  kGvaOnly,    // a guest virtual address alone: an abort on a table walk, or a GPA KVM had not
  kUnlocated,  // nothing usable
};

// Who named the guest physical place.
enum class LocatedBy {
  kGpa,    // KVM's GPA, or the address of a report
  kWalk,   // the VMM side followed the guest's own tables to the one that could not be read
  kGuest,  // the guest alone, when this host had lost its record: a claim, no evidence
  kNone,
};

// What the vCPU was doing. For kTableWalk the bad word is in a translation table, not in the page
// that the walk was for.
enum class Access { kUnknown, kData, kInstruction, kTableWalk };

// Whether the error stayed where it was found (ESR_EL2.SET, Arm ARM D17.2.37).
enum class Severity {
  kUnknown,        // not said by this kind of abort, or a reserved value
  kRecoverable,    // UER, or a VM without RAS: then the field is always 0
  kRestartable,    // UEO
  kUncontainable,  // UC: bad data may have spread; containment must not be claimed
};

enum class Source {
  kExit,        // a KVM_EXIT_ARM_SEA
  kReport,      // an operator or another tool, through the control socket
  kHostKernel,  // the host's kernel found it by itself: its tracepoint said so
  kHypervisor,  // libvirt's word that the hypervisor met an error, without a place
};

struct PoisonEvent {
  std::optional<ByteRange> range;  // with kLocated only
  // With kSuspected only. Nothing is retired, counted or listed for it before a second event.
  std::optional<ByteRange> suspect;
  std::optional<GuestVirtAddr> gva;  // when the CPU said that it is valid
  protocol::Evidence evidence = protocol::Evidence::kConsumed;
  Location location = Location::kUnlocated;
  Access access = Access::kUnknown;
  Severity severity = Severity::kUnknown;
  Source source = Source::kExit;
  MonoTime when{};                 // of the exit, as the VMM saw it
  WallTime wall{};                 // of its arrival here
  std::uint32_t vcpu = 0;          // index; 0 with kReport
  std::uint32_t count = 1;         // exits that this event stands for
  HostVirtAddr hva{};              // in the VMM; 0 when unknown
  std::optional<PageFrame> frame;  // behind it, when the source named that itself
  // As the kernel said them, believed or not; 0 with kReport.
  std::uint64_t flags = 0;
  std::uint64_t esr = 0;
  std::uint64_t raw_gva = 0;
  std::uint64_t raw_gpa = 0;

  LocatedBy located_by() const;
};

std::string_view ToString(Location location);
std::string_view ToString(LocatedBy located_by);
std::string_view ToString(Access access);
std::string_view ToString(Severity severity);
std::string_view ToString(Source source);

}  // namespace seaward
