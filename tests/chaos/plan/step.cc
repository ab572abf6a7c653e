#include "tests/chaos/plan/step.h"

#include <algorithm>
#include <charconv>

namespace seaward::chaos {
namespace {

// A third is memory; what takes a boot (seconds) is rare. What brings back a process that was
// killed or stopped is likelier than its end, so that more happens than silence.
constexpr StepTraits kSteps[] = {
    {StepKind::kPoisonFree, "poison_free", 6, true, true},
    {StepKind::kPoisonUser, "poison_user", 6, true, true},
    {StepKind::kPoisonPageCache, "poison_page_cache", 4, true, true},
    {StepKind::kPoisonHugetlb, "poison_hugetlb", 3, true, true},
    {StepKind::kPoisonKernelText, "poison_kernel_text", 3, true, true},
    {StepKind::kPoisonSlab, "poison_slab", 3, true, true},
    {StepKind::kPoisonBurst, "poison_burst", 3, true, true},
    {StepKind::kPoisonAgain, "poison_again", 5, true, true},
    {StepKind::kReportRange, "report_range", 3, true, true},
    {StepKind::kReportPredicted, "report_predicted", 3, true, true},
    {StepKind::kFlood, "flood", 3, true, false},
    {StepKind::kKillAgent, "kill_agent", 5, true, true},
    {StepKind::kStopAgent, "stop_agent", 3, true, true},
    {StepKind::kContinueAgent, "continue_agent", 6, true, true},
    {StepKind::kStartAgent, "start_agent", 8, true, true},
    {StepKind::kKillNotifier, "kill_notifier", 5, true, true},
    {StepKind::kStopNotifier, "stop_notifier", 4, true, true},
    {StepKind::kContinueNotifier, "continue_notifier", 8, true, true},
    {StepKind::kStartNotifier, "start_notifier", 8, true, true},
    {StepKind::kKillLibvirtd, "kill_libvirtd", 2, true, true},
    {StepKind::kKillVmm, "kill_vmm", 2, true, true},
    {StepKind::kCrashUncommitted, "crash_uncommitted", 4, true, false},
    {StepKind::kReset, "reset", 3, true, true},
    {StepKind::kReboot, "reboot", 2, true, true},
    {StepKind::kPanic, "panic", 2, true, true},
    {StepKind::kPause, "pause", 2, true, true},
    {StepKind::kResume, "resume", 8, true, true},
    {StepKind::kClockJump, "clock_jump", 2, true, true},
    {StepKind::kDiskFull, "disk_full", 3, true, true},
    {StepKind::kDiskFree, "disk_free", 6, true, true},
    {StepKind::kGarbageToGuest, "garbage_to_guest", 2, true, false},
    {StepKind::kGarbageToHost, "garbage_to_host", 2, true, true},
    {StepKind::kStaleToGuest, "stale_to_guest", 2, true, false},
    {StepKind::kStaleToHost, "stale_to_host", 2, true, false},
    {StepKind::kLoseToGuest, "lose_to_guest", 3, true, false},
    {StepKind::kLoseToHost, "lose_to_host", 3, true, false},
    {StepKind::kCutChannel, "cut_channel", 4, true, false},
    {StepKind::kForgedVerdict, "forged_verdict", 3, true, false},
    {StepKind::kLyingGuest, "lying_guest", 2, true, false},
    {StepKind::kHostileVmm, "hostile_vmm", 2, true, false},
    {StepKind::kSettle, "settle", 4, true, true},
};

}  // namespace

std::span<const StepTraits> AllSteps() {
  return kSteps;
}

const StepTraits& TraitsOf(StepKind kind) {
  return kSteps[static_cast<std::size_t>(kind)];
}

bool MeansSomethingIn(StepKind kind, World world) {
  const StepTraits& traits = TraitsOf(kind);
  return world == World::kRing ? traits.in_ring : traits.in_libvirt;
}

std::string_view ToString(World world) {
  switch (world) {
    case World::kRing:
      return "ring";
    case World::kLibvirt:
      return "libvirt";
  }
  return "";
}

Result<World> ParseWorld(std::string_view text) {
  for (const World world : {World::kRing, World::kLibvirt})
    if (text == ToString(world)) return world;
  return Fail(ErrorCode::kInvalid, "no world is called '" + std::string(text) + "'");
}

std::string Format(const Step& step) {
  return std::string(TraitsOf(step.kind).name) + " " + std::to_string(step.chance);
}

Result<Step> ParseStep(std::string_view line) {
  const std::size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  const auto* const traits = std::ranges::find(kSteps, name, &StepTraits::name);
  if (traits == std::end(kSteps) || space == std::string_view::npos)
    return Fail(ErrorCode::kInvalid, "no step: '" + std::string(line) + "'");
  Step step{traits->kind, 0};
  const std::string_view number = line.substr(space + 1);
  const auto [end, failed] =
      std::from_chars(number.data(), number.data() + number.size(), step.chance);
  if (failed != std::errc() || end != number.data() + number.size())
    return Fail(ErrorCode::kInvalid, "no number: '" + std::string(line) + "'");
  return step;
}

}  // namespace seaward::chaos
