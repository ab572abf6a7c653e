// What the agent did with one page (or a run of pages with the same fate). Pure data.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::agent {

// How a page is taken out of use.
enum class Verb : std::uint8_t {
  kHard = 1,  // hard_offline_page: the content is given up, never read
  kSoft = 2,  // soft_offline_page: the content is READ and migrated; only while it is still good
};

// Consumed and latent errors are retired hard: soft-offlining them would read the poison again.
constexpr Verb VerbFor(protocol::Evidence evidence) {
  return evidence == protocol::Evidence::kPredicted ? Verb::kSoft : Verb::kHard;
}

struct PageVerdict {
  protocol::Outcome outcome = protocol::Outcome::kFailed;
  protocol::PageKind kind = protocol::PageKind::kUnknown;  // before this boot's first attempt
  protocol::Stage stage = protocol::Stage::kRun;
  Verb verb = Verb::kHard;
  std::uint16_t sys_errno = 0;
  std::chrono::nanoseconds duration{0};  // of the attempt that decided
  std::uint64_t cgroup = 0;  // inode of the one that the page was charged to before; 0: unknown

  bool operator==(const PageVerdict&) const = default;
};

// Whether a process may have lost something with a page of this kind.
constexpr bool MayBeSomebodys(protocol::PageKind kind) {
  return kind == protocol::PageKind::kAnonymous || kind == protocol::PageKind::kFile ||
         kind == protocol::PageKind::kTransparentHuge || kind == protocol::PageKind::kHuge;
}

// Whether the page is out of the kernel's hands and counts against the budget.
constexpr bool OutOfUse(protocol::Outcome outcome) {
  return outcome == protocol::Outcome::kRetired || outcome == protocol::Outcome::kAlreadyRetired;
}

}  // namespace seaward::agent
