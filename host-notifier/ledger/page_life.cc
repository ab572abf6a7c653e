#include "host-notifier/ledger/page_life.h"

#include <string>

namespace seaward::ledger {
namespace {

using Life = PageLife;
using Next = std::optional<PageLife>;

// What a verdict makes of a page that is wanted. A later verdict of the same boot replaces an
// earlier one: deferred pages are tried again, failed ones may succeed.
Next AfterVerdict(Life life, Life verdict) {
  return IsWanted(life) ? Next(verdict) : std::nullopt;
}

Next AfterDelivery(Life life) {
  switch (life) {
    case Life::kReported:
    case Life::kToReplay:
      return Life::kDelivered;
    // Sent again: what is known of this boot stays true until a verdict says otherwise.
    case Life::kDelivered:
    case Life::kRetired:
    case Life::kExcluded:
    case Life::kDeferred:
    case Life::kFailed:
      return life;
    case Life::kCleared:
    case Life::kClosed:
      return std::nullopt;
  }
  return std::nullopt;
}

Next AfterNewBoot(Life life) {
  switch (life) {
    case Life::kReported:  // no boot has heard of it yet
      return Life::kReported;
    case Life::kDelivered:
    case Life::kRetired:
    case Life::kExcluded:
    case Life::kDeferred:
    case Life::kFailed:
    case Life::kToReplay:
      return Life::kToReplay;
    case Life::kCleared:
    case Life::kClosed:
      return std::nullopt;
  }
  return std::nullopt;
}

Next AfterForgettingBoot(Life life) {
  if (!IsWanted(life)) return std::nullopt;
  return life == Life::kReported ? Life::kReported : Life::kCleared;
}

}  // namespace

std::optional<PageLife> Advance(PageLife life, PageEvent event) {
  switch (event) {
    case PageEvent::kSeenAgain:
      return IsWanted(life) ? Next(life) : std::nullopt;
    case PageEvent::kDelivered:
      return AfterDelivery(life);
    case PageEvent::kVerdictRetired:
      return AfterVerdict(life, Life::kRetired);
    case PageEvent::kVerdictExcluded:
      return AfterVerdict(life, Life::kExcluded);
    case PageEvent::kVerdictDeferred:
      return AfterVerdict(life, Life::kDeferred);
    case PageEvent::kVerdictFailed:
      return AfterVerdict(life, Life::kFailed);
    case PageEvent::kNewBoot:
      return AfterNewBoot(life);
    case PageEvent::kNewBootForgets:
      return AfterForgettingBoot(life);
    case PageEvent::kClear:
      return IsWanted(life) ? Next(Life::kCleared) : std::nullopt;
    case PageEvent::kIncarnationEnds:
      return IsWanted(life) ? Next(Life::kClosed) : std::nullopt;
    case PageEvent::kIncarnationContinues:
      return life == Life::kClosed ? Next(Life::kToReplay) : std::nullopt;
  }
  return std::nullopt;
}

PageEvent EventOf(protocol::Outcome outcome) {
  switch (outcome) {
    case protocol::Outcome::kRetired:
    case protocol::Outcome::kAlreadyRetired:
      return PageEvent::kVerdictRetired;
    case protocol::Outcome::kExcludedBeforeBoot:
      return PageEvent::kVerdictExcluded;
    case protocol::Outcome::kDeferred:
      return PageEvent::kVerdictDeferred;
    case protocol::Outcome::kInKernel:
    case protocol::Outcome::kNotRam:
    case protocol::Outcome::kBudgetExceeded:
    case protocol::Outcome::kFailed:
      return PageEvent::kVerdictFailed;
  }
  return PageEvent::kVerdictFailed;
}

bool IsWanted(PageLife life) {
  return life != Life::kCleared && life != Life::kClosed;
}

std::string_view ToString(PageLife life) {
  switch (life) {
    case Life::kReported:
      return "reported";
    case Life::kDelivered:
      return "delivered";
    case Life::kRetired:
      return "retired";
    case Life::kExcluded:
      return "excluded";
    case Life::kDeferred:
      return "deferred";
    case Life::kFailed:
      return "failed";
    case Life::kToReplay:
      return "to_replay";
    case Life::kCleared:
      return "cleared";
    case Life::kClosed:
      return "closed";
  }
  return "";
}

std::string_view ToString(PageEvent event) {
  switch (event) {
    case PageEvent::kSeenAgain:
      return "seen_again";
    case PageEvent::kDelivered:
      return "delivered";
    case PageEvent::kVerdictRetired:
      return "verdict_retired";
    case PageEvent::kVerdictExcluded:
      return "verdict_excluded";
    case PageEvent::kVerdictDeferred:
      return "verdict_deferred";
    case PageEvent::kVerdictFailed:
      return "verdict_failed";
    case PageEvent::kNewBoot:
      return "new_boot";
    case PageEvent::kNewBootForgets:
      return "new_boot_forgets";
    case PageEvent::kClear:
      return "clear";
    case PageEvent::kIncarnationEnds:
      return "incarnation_ends";
    case PageEvent::kIncarnationContinues:
      return "incarnation_continues";
  }
  return "";
}

Result<PageLife> ParsePageLife(std::string_view text) {
  for (const PageLife life : kAllPageLives)
    if (ToString(life) == text) return life;
  return Fail(ErrorCode::kCorrupt, "ledger: no page life is called '" + std::string(text) + "'");
}

}  // namespace seaward::ledger
