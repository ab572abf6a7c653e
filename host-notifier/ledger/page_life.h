// The life of one bad range within one incarnation, as a table. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "protocol/messages.h"

namespace seaward::ledger {

enum class PageLife {
  kReported,   // known, not sent to this boot of the guest
  kDelivered,  // sent, no verdict that covers it
  kRetired,    // out of use in this boot
  kExcluded,   // never was in use in this boot: kept away before the kernel
  kDeferred,   // the agent tries again by itself
  kFailed,     // still in use in this boot; the outcome says why
  kToReplay,   // a new boot has forgotten what an earlier one did
  kCleared,    // no longer wanted: healed, or predicted and the guest rebooted
  kClosed,     // its incarnation ended
};

enum class PageEvent {
  kSeenAgain,        // a further exit or report for it
  kDelivered,        // written to the guest's channel
  kVerdictRetired,   // retired or already_retired
  kVerdictExcluded,  // excluded_before_boot
  kVerdictDeferred,
  kVerdictFailed,   // in_kernel, not_ram, budget_exceeded, failed
  kNewBoot,         // a boot session that this incarnation has not had before
  kNewBootForgets,  // the same for evidence that is never replayed
  kClear,
  kIncarnationEnds,
  kIncarnationContinues,  // it was ended by mistake: the same process is still there
};

inline constexpr PageLife kAllPageLives[] = {
    PageLife::kReported, PageLife::kDelivered, PageLife::kRetired,
    PageLife::kExcluded, PageLife::kDeferred,  PageLife::kFailed,
    PageLife::kToReplay, PageLife::kCleared,   PageLife::kClosed};
inline constexpr PageEvent kAllPageEvents[] = {
    PageEvent::kSeenAgain,       PageEvent::kDelivered,           PageEvent::kVerdictRetired,
    PageEvent::kVerdictExcluded, PageEvent::kVerdictDeferred,     PageEvent::kVerdictFailed,
    PageEvent::kNewBoot,         PageEvent::kNewBootForgets,      PageEvent::kClear,
    PageEvent::kIncarnationEnds, PageEvent::kIncarnationContinues};

// The life after `event`; nullopt where the event cannot happen and changes nothing.
std::optional<PageLife> Advance(PageLife life, PageEvent event);

PageEvent EventOf(protocol::Outcome outcome);
// Wanted retired by the host: neither cleared nor closed.
bool IsWanted(PageLife life);

std::string_view ToString(PageLife life);
std::string_view ToString(PageEvent event);
// kCorrupt for a word that no version wrote.
Result<PageLife> ParsePageLife(std::string_view text);

}  // namespace seaward::ledger
