#include "tests/lab/story/lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/file_io.h"
#include "tests/lab/story/scenes.h"

namespace seaward::lab {
namespace {

const SystemClock& Clock() {
  static const SystemClock clock;
  return clock;
}

// Larger than what a run can write.
constexpr std::size_t kLargestLog = 64u << 20;

std::string ReadLog(const std::string& path) {
  auto text = ReadTextFile(path, kLargestLog);
  return text ? *text : std::string();
}

std::vector<ByteRange> RangesFrom(const Json& pairs) {
  std::vector<ByteRange> ranges;
  for (const auto& pair : pairs) {
    const auto first = ParseAddress(pair.at(0).get<std::string>());
    const auto last = ParseAddress(pair.at(1).get<std::string>());
    if (!first || !last) continue;
    if (auto range = ByteRange::Make({*first}, *last - *first + 1)) ranges.push_back(*range);
  }
  return ranges;
}

}  // namespace

Result<std::unique_ptr<Lab>> Lab::Start(const std::string& work, std::FILE* screen,
                                        LibvirtMode libvirt) {
  std::filesystem::create_directories(work);
  auto transcript = Transcript::Create(work + "/" + kTranscript, Clock());
  if (!transcript) return Forward(transcript);
  std::unique_ptr<Lab> lab(new Lab(std::move(*transcript), screen));
  if (auto up = lab->BringUp(work, libvirt); !up) return Forward(up);
  return lab;
}

Status Lab::BringUp(const std::string& work, LibvirtMode libvirt) {
  narrator_.Chapter("An Arm host in emulation");
  auto images = PrepareImages(work);
  if (!images) return Forward(images);
  narrator_.Say(fmt::format("images ready; stock Debian kernel {}; host CPU {}",
                            images->kernel_version, images->host_cpu));
  auto host = EmulatedHost::Start(*images, work, transcript_);
  if (!host) return Forward(host);
  host_ = std::move(*host);
  transcript_.Add("host", {{"kernel", host_->kernel()}});
  narrator_.Say(fmt::format("Linux {} runs with KVM; its tracer counts kvm_handle_guest_sea",
                            host_->kernel()));
  if (auto up = StartLibvirtd(*host_, libvirt); !up) return up;
  if (auto started = StartNotifier({}); !started) return started;
  narrator_.Say("libvirtd and seaward-notifier run in it");
  auto poison = PoisonTool::Start(*host_);
  if (!poison) return Forward(poison);
  poison_ = std::move(*poison);
  narrator_.Say(poison_->greeting());
  return {};
}

// Both boot at the same time: the emulated host has two cores.
Status Lab::SurveyFrames(std::uint64_t seed) {
  narrator_.Chapter("Two guests boot: which frames are free when /init starts?");
  for (const auto& [surveyed, plan] :
       {std::pair{&guarded_, GuestPlan{.name = "guarded"}},
        std::pair{&control_, GuestPlan{.name = "control", .guarded = false}}}) {
    auto created = NestedGuest::Create(*host_, plan);
    if (!created) return Forward(created);
    surveyed->guest = std::move(*created);
  }
  std::vector<BootSurvey> boots;
  for (SurveyedGuest* surveyed : {&guarded_, &control_}) {
    auto boot = Survey(*surveyed->guest);
    if (!boot) return Forward(boot);
    boots.push_back(std::move(*boot));
  }
  if (auto kept = KeepCapabilities(*host_); !kept)
    narrator_.Say("libvirt's knowledge of QEMU not kept: " + kept.error().Text());
  if (auto owned = OwnFrame(boots, seed); !owned) return owned;
  if (auto paused = control_.guest->Pause(); !paused) return paused;
  transcript_.Add("choice", {{"frame", FormatAddress(choice_.frame.value)},
                             {"free_frames", choice_.free_frames},
                             {"candidates", choice_.candidates},
                             {"seed", choice_.seed}});
  narrator_.Say(fmt::format(
      "{} frames were free at /init in both, {} of them not used by the kernel before it; "
      "seed {} takes {}",
      choice_.free_frames, choice_.candidates, choice_.seed, FormatAddress(choice_.frame.value)));
  return {};
}

// What a kernel hands out last, or uses itself since /init started, no process can be made to own:
// the choice is the first of some random frames that a process in either guest is given.
Status Lab::OwnFrame(const std::vector<BootSurvey>& boots, std::uint64_t seed) {
  constexpr std::uint64_t kTries = 8;
  Status owned;
  for (std::uint64_t i = 0; i < kTries; ++i) {
    auto choice = ChooseFrame(boots, seed + i);
    if (!choice) return Forward(choice);
    choice_ = *choice;
    owned = {};
    for (SurveyedGuest* surveyed : {&control_, &guarded_}) {
      auto victim = StartVictim(*this, *surveyed->guest, {.at = choice_.frame});
      if (victim) {
        surveyed->victim = *victim;
      } else {
        owned = Forward(victim);
        break;
      }
    }
    if (owned) return {};
    narrator_.Say("another frame, then: " + owned.error().Text());
  }
  return owned;
}

Result<BootSurvey> Lab::Survey(NestedGuest& guest) {
  if (auto up = guest.WaitUp(kGuestUp); !up) return Forward(up);
  BootSurvey survey;
  survey.free_at_init = RangesFrom(guest.status().at("free_frames_at_init"));
  auto untouched = guest.NeverTouched();
  if (!untouched) return Forward(untouched);
  survey.never_touched = *untouched;
  return survey;
}

KernelTrace Lab::Trace() const {
  return ParseKernelTrace(ReadLog(host_->WorkPath(kRawTrace)));
}

Result<Json> Lab::Seawardctl(const std::string& words) {
  auto text = host_->Shell("/seaward/bin/seawardctl " + words + " --json", kGuestWork);
  if (!text) return Forward(text);
  Json answer = Json::parse(*text, nullptr, false);
  if (answer.is_discarded()) return Fail(ErrorCode::kInvalid, "seawardctl " + words + ": " + *text);
  transcript_.Add("seawardctl", {{"words", words}, {"answer", answer}});
  return answer;
}

Status Lab::RestartNotifier(const NotifierPlan& plan) {
  if (auto stopped = notifier_->Stop(); !stopped) return stopped;
  return StartNotifier(plan);
}

Status Lab::StartNotifier(const NotifierPlan& plan) {
  auto notifier = Notifier::Start(*host_, plan);
  if (!notifier) return Forward(notifier);
  notifier_ = std::move(*notifier);
  return {};
}

std::uint64_t Lab::AbortsOn(GuestPhysAddr page) const {
  const KernelTrace trace = Trace();
  return static_cast<std::uint64_t>(
      std::count_if(trace.aborts.begin(), trace.aborts.end(),
                    [&](const ObservedAbort& abort) { return abort.page == page; }));
}

std::string Lab::ConsoleText(std::size_t from) const {
  std::string text = ReadLog(host_->WorkPath(kGuestConsole));
  return text.erase(0, std::min(from, text.size()));
}

std::size_t Lab::ConsoleSize() const {
  return ReadLog(host_->WorkPath(kGuestConsole)).size();
}

Status Lab::Finish() {
  // Who used the emulated host's two cores: for those who wonder why a run was slow.
  auto processes = host_->Shell("top -b -n 1 | head -n 30", std::chrono::seconds(60));
  transcript_.Add("host_processes", {{"top", processes ? *processes : ""}});
  auto farewell = poison_->Finish();
  if (!farewell) return Forward(farewell);
  narrator_.Say("seaward-poison: " + farewell->last_line);
  if (farewell->exit_code != 0)
    return Fail(ErrorCode::kIo, fmt::format("seaward-poison ended with {}", farewell->exit_code));
  return notifier_->Stop();
}

}  // namespace seaward::lab
