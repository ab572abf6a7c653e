// An emulated Arm host with everything in place: the kernel's own observer, libvirtd,
// seaward-notifier and the poisoner. On request also a guarded guest and one without an agent, both
// up, and a frame chosen from these two clean boots. One lab at a time per machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tests/lab/host/emulated_host.h"
#include "tests/lab/host/host_services.h"
#include "tests/lab/host/nested_guest.h"
#include "tests/lab/host/poison_tool.h"
#include "tests/lab/host/survey.h"
#include "tests/lab/host/transcript.h"
#include "tests/lab/story/guest_console.h"
#include "tests/lab/story/kernel_trace.h"
#include "tests/lab/story/narrator.h"
#include "tests/lab/story/victim.h"

namespace seaward::lab {

inline constexpr char kTranscript[] = "transcript.jsonl";

// A guest in its first boot, and a process in it that owns the chosen frame.
struct SurveyedGuest {
  std::unique_ptr<NestedGuest> guest;
  Victim victim;
};

class Lab {
 public:
  // `work`: a folder, made when missing; what an earlier run left there is replaced. kUnsupported:
  // no kernel >= 6.19 obtainable.
  static Result<std::unique_ptr<Lab>> Start(const std::string& work, std::FILE* screen,
                                            LibvirtMode libvirt = LibvirtMode::kSession);

  // Boots the two guests below, at the same time, and chooses frame(), which a process in each of
  // them owns from then on.
  Status SurveyFrames(std::uint64_t seed);

  EmulatedHost& host() { return *host_; }
  Notifier& notifier() { return *notifier_; }
  PoisonTool& poison() { return *poison_; }
  Narrator& narrator() { return narrator_; }
  Transcript& transcript() { return transcript_; }
  GuestPhysAddr frame() const { return choice_.frame; }
  // Each once: it is the caller's then. The control is paused, to leave the emulated host's two
  // cores to the other.
  SurveyedGuest TakeGuarded() { return std::move(guarded_); }
  SurveyedGuest TakeControl() { return std::move(control_); }

  // What `seawardctl WORDS --json` answers in the emulated host.
  Result<Json> Seawardctl(const std::string& words);
  // Ends seaward-notifier and starts it with another configuration, on the same ledger; or starts
  // it where there is none any more.
  Status RestartNotifier(const NotifierPlan& plan);
  Status StartNotifier(const NotifierPlan& plan);

  // What the host's kernel recorded so far.
  KernelTrace Trace() const;
  // How many external aborts on `frame()` the kernel saw so far.
  std::uint64_t AbortsOnFrame() const { return AbortsOn(frame()); }
  std::uint64_t AbortsOn(GuestPhysAddr page) const;
  // The guests' console from byte `from` on.
  std::string ConsoleText(std::size_t from) const;
  ConsoleSigns Console(std::size_t from) const { return ReadConsole(ConsoleText(from)); }
  std::size_t ConsoleSize() const;

  // Takes the poison away, ends the notifier and leaves its ledger in the work folder.
  Status Finish();

 private:
  Lab(Transcript transcript, std::FILE* screen)
      : transcript_(std::move(transcript)), narrator_(screen, transcript_) {}
  Status BringUp(const std::string& work, LibvirtMode libvirt);
  Status OwnFrame(const std::vector<BootSurvey>& boots, std::uint64_t seed);
  Result<BootSurvey> Survey(NestedGuest& guest);

  Transcript transcript_;
  Narrator narrator_;
  std::unique_ptr<EmulatedHost> host_;
  std::optional<Notifier> notifier_;
  std::optional<PoisonTool> poison_;
  SurveyedGuest guarded_;
  SurveyedGuest control_;
  Choice choice_;
};

// Generous: everything here runs in emulation inside emulation, on cores that others use too.
inline constexpr std::chrono::seconds kGuestUp{600};
inline constexpr std::chrono::seconds kGuestWork{600};

}  // namespace seaward::lab
