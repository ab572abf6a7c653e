// Words of the ledger's columns -> enumerators. The words are those of each type's ToString.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "host-notifier/classify/poison_event.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "protocol/messages.h"

namespace seaward::ledger {

inline constexpr protocol::Outcome kAllOutcomes[] = {
    protocol::Outcome::kRetired,        protocol::Outcome::kExcludedBeforeBoot,
    protocol::Outcome::kAlreadyRetired, protocol::Outcome::kInKernel,
    protocol::Outcome::kNotRam,         protocol::Outcome::kBudgetExceeded,
    protocol::Outcome::kDeferred,       protocol::Outcome::kFailed};
inline constexpr protocol::PageKind kAllPageKinds[] = {
    protocol::PageKind::kUnknown,   protocol::PageKind::kFree,
    protocol::PageKind::kAnonymous, protocol::PageKind::kFile,
    protocol::PageKind::kHuge,      protocol::PageKind::kTransparentHuge,
    protocol::PageKind::kKernel,    protocol::PageKind::kReserved,
    protocol::PageKind::kHwpoison,  protocol::PageKind::kOffline};
inline constexpr protocol::Stage kAllStages[] = {protocol::Stage::kEarly, protocol::Stage::kRun};
inline constexpr protocol::Evidence kAllEvidence[] = {
    protocol::Evidence::kConsumed, protocol::Evidence::kLatent, protocol::Evidence::kPredicted};
inline constexpr Source kAllSources[] = {Source::kExit, Source::kReport, Source::kHostKernel,
                                         Source::kHypervisor};
inline constexpr Location kAllLocations[] = {Location::kLocated, Location::kSuspected,
                                             Location::kGvaOnly, Location::kUnlocated};
inline constexpr LocatedBy kAllLocatedBy[] = {LocatedBy::kGpa, LocatedBy::kWalk, LocatedBy::kGuest,
                                              LocatedBy::kNone};
inline constexpr Access kAllAccesses[] = {Access::kUnknown, Access::kData, Access::kInstruction,
                                          Access::kTableWalk};
inline constexpr Severity kAllSeverities[] = {Severity::kUnknown, Severity::kRecoverable,
                                              Severity::kRestartable, Severity::kUncontainable};
inline constexpr HostRetired kAllHostRetired[] = {HostRetired::kNo, HostRetired::kPending,
                                                  HostRetired::kYes, HostRetired::kRefused};

inline constexpr protocol::ListResult kAllListResults[] = {
    protocol::ListResult::kApplied,     protocol::ListResult::kNoList,
    protocol::ListResult::kBadList,     protocol::ListResult::kOtherMachine,
    protocol::ListResult::kFailedTwice, protocol::ListResult::kNoCounter,
    protocol::ListResult::kNoVolume};
inline constexpr HealState kAllHealStates[] = {HealState::kNo, HealState::kOrdered,
                                               HealState::kHealed, HealState::kRefused};

// The enumerator called `word`, or `otherwise`: a ledger edited by hand must not stop the daemon.
template <class E>
E FromWord(std::string_view word, std::span<const E> all, E otherwise) {
  for (const E value : all)
    if (ToString(value) == word) return value;
  return otherwise;
}

}  // namespace seaward::ledger
