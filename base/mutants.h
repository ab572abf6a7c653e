// Deliberate bugs, one at a time, for the test that shows that chaos schedules find them
// (./dev test chaos --mutants). Without SEAWARD_MUTANTS, which no package is built with, every
// question is a constant false, and nothing of this is in a program.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#ifdef SEAWARD_MUTANTS
#include <cstdlib>
#endif

namespace seaward {

enum class Mutant {
  kSkipCommit,           // an event is said to be recorded and is not
  kReleaseEarly,         // a ring slot is free before its event is on record
  kTrustFlag,            // a flagged page is a retired page
  kForgetNonce,          // words of any session count
  kForgetReplay,         // a new boot is told nothing
  kDropResend,           // what a guest did not hear is not said again
  kVerdictWithoutWrite,  // a page is said to be retired and is not
  kCoalesceDistinct,     // exits of one kind are one, wherever they are
  kIgnoreIncarnation,    // the bad pages of one memory are those of the next
  kEarlyLeaves,          // the early stage ends with the host's first word
  kSecondRow,            // a page that goes bad again is another page
  kSilentLoss,           // exits that find no room are not counted
  kLeakDescriptor,       // a descriptor stays with each connection
  kSpin,                 // a ring is looked at again at once, for ever
};

inline constexpr std::array kAllMutants = {
    std::pair{Mutant::kSkipCommit, std::string_view("skip_commit")},
    std::pair{Mutant::kReleaseEarly, std::string_view("release_early")},
    std::pair{Mutant::kTrustFlag, std::string_view("trust_flag")},
    std::pair{Mutant::kForgetNonce, std::string_view("forget_nonce")},
    std::pair{Mutant::kForgetReplay, std::string_view("forget_replay")},
    std::pair{Mutant::kDropResend, std::string_view("drop_resend")},
    std::pair{Mutant::kVerdictWithoutWrite, std::string_view("verdict_without_write")},
    std::pair{Mutant::kCoalesceDistinct, std::string_view("coalesce_distinct")},
    std::pair{Mutant::kIgnoreIncarnation, std::string_view("ignore_incarnation")},
    std::pair{Mutant::kEarlyLeaves, std::string_view("early_leaves")},
    std::pair{Mutant::kSecondRow, std::string_view("second_row")},
    std::pair{Mutant::kSilentLoss, std::string_view("silent_loss")},
    std::pair{Mutant::kLeakDescriptor, std::string_view("leak_descriptor")},
    std::pair{Mutant::kSpin, std::string_view("spin")},
};

#ifdef SEAWARD_MUTANTS
// The one that $SEAWARD_MUTANT names.
inline bool Lives(Mutant mutant) {
  static const char* const named = std::getenv("SEAWARD_MUTANT");
  return named != nullptr && kAllMutants[static_cast<std::size_t>(mutant)].second == named;
}
#else
constexpr bool Lives(Mutant) {
  return false;
}
#endif

}  // namespace seaward
