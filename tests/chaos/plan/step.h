// One thing that goes wrong, or is done, in a schedule. A step is applicable in every state (it is
// skipped where it means nothing), so that a schedule stays one when steps are taken out of it; and
// it carries its own chance, so that the others stay as they were.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward::chaos {

enum class StepKind : std::uint8_t {
  // Memory goes bad.
  kPoisonFree,
  kPoisonUser,
  kPoisonPageCache,
  kPoisonHugetlb,
  kPoisonKernelText,
  kPoisonSlab,
  kPoisonBurst,      // 64 pages of one process
  kPoisonAgain,      // a page that is known already
  kReportRange,      // several pages at once, by an operator
  kReportPredicted,  // corrected errors: the page is moved
  kFlood,            // more than a ring holds while nobody reads it
  // Processes.
  kKillAgent,
  kStopAgent,
  kContinueAgent,
  kStartAgent,
  kKillNotifier,
  kStopNotifier,
  kContinueNotifier,
  kStartNotifier,
  kKillLibvirtd,
  kKillVmm,  // QEMU and whoever publishes for it; the domain is started again: other memory
  kCrashUncommitted,  // the disk is full, memory goes bad, the notifier dies
  // The machine.
  kReset,
  kReboot,
  kPanic,
  kPause,
  kResume,
  kClockJump,
  kDiskFull,
  kDiskFree,
  // The channel.
  kGarbageToGuest,
  kGarbageToHost,
  kStaleToGuest,
  kStaleToHost,
  kLoseToGuest,  // a frame on its way is gone, the session stays
  kLoseToHost,
  kCutChannel,     // the connection ends, several times
  kForgedVerdict,  // well-formed, of no session of this guest
  kLyingGuest,     // well-formed, of this session, untrue
  kHostileVmm,     // scribbles over its ring
  // Everything is made well again, then all that must hold is looked at.
  kSettle,
};

// Where a step means something: a VM of the configuration, whose exits come out of a ring and whose
// channel runs through a proxy of the test; or a domain that the notifier follows through libvirt.
enum class World : std::uint8_t { kRing, kLibvirt };

struct StepTraits {
  StepKind kind;
  std::string_view name;
  unsigned weight;  // how often, among those of its world; 0: never drawn
  bool in_ring;
  bool in_libvirt;
};

// In the order of the enum; every kind once.
std::span<const StepTraits> AllSteps();
const StepTraits& TraitsOf(StepKind kind);
bool MeansSomethingIn(StepKind kind, World world);

struct Step {
  StepKind kind = StepKind::kSettle;
  std::uint32_t chance = 0;  // where its own dice begin
  bool operator==(const Step&) const = default;
};

std::string_view ToString(World world);
Result<World> ParseWorld(std::string_view text);
// "kill_agent 1893"
std::string Format(const Step& step);
Result<Step> ParseStep(std::string_view line);

}  // namespace seaward::chaos
