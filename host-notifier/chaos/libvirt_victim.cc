#include "host-notifier/chaos/libvirt_victim.h"

#include "base/process_identity.h"
#include "host-notifier/chaos/guest_exec.h"
#include "host-notifier/hostpage/page_frames.h"
#include "host-notifier/libvirt/status_directory.h"

namespace seaward::chaos {
namespace {

// A guest that is busy with a boot, or with memory errors, answers late.
constexpr std::chrono::seconds kAgentPatience{10};
constexpr std::chrono::seconds kScriptLimit{60};
// The scripts' own word for "this guest cannot do it".
constexpr int kCannot = 3;

constexpr char kKillAgent[] =
    "systemctl kill --kill-who=main --signal=KILL seaward-agent.service || exit 3";

}  // namespace

std::string InjectScript(GuestPhysAddr page) {
  return "f=/sys/kernel/debug/hwpoison/corrupt-pfn\n"
         "[ -d /sys/kernel/debug/hwpoison ] || modprobe hwpoison-inject\n"
         "[ -d /sys/kernel/debug/hwpoison ] || mount -t debugfs debugfs /sys/kernel/debug\n"
         "[ -w $f ] || exit 3\n"
         // Its error is the kernel's own: a page that it cannot give up.
         "echo $((" +
         FormatAddress(page.value) + " / $(getconf PAGESIZE))) >$f || exit 0\n";
}

Result<HostVirtAddr> ParseHostAddress(std::string_view answer) {
  constexpr std::string_view kBefore = " is 0x";
  const std::size_t at = answer.rfind(kBefore);
  if (at != std::string_view::npos) {
    std::string_view text = answer.substr(at + kBefore.size() - 2);
    text = text.substr(0, text.find_first_of("\r\n "));
    if (auto address = ParseAddress(text)) return HostVirtAddr{*address};
  }
  return Fail(ErrorCode::kInvalid, "QEMU says: " + std::string(answer));
}

Result<int> LibvirtVictim::Run(const std::string& script) {
  return RunInGuest(
      [this](const std::string& command) { return domain_.AskGuestAgent(command, kAgentPatience); },
      script, waiting_, kScriptLimit);
}

Status LibvirtVictim::InjectInGuest(GuestPhysAddr page) {
  auto code = Run(InjectScript(page));
  if (!code) return Forward(code);
  if (*code == kCannot)
    return Fail(ErrorCode::kUnsupported, "the guest's kernel has no hwpoison-inject");
  if (*code == 0) return {};
  return Fail(ErrorCode::kIo, "hwpoison-inject ended with " + std::to_string(*code));
}

Status LibvirtVictim::KillAgent() {
  auto code = Run(kKillAgent);
  if (!code) return Forward(code);
  if (*code == 0) return {};
  return Fail(ErrorCode::kUnsupported, "no seaward-agent.service runs in the guest");
}

Status LibvirtVictim::RetireHostFrame(GuestPhysAddr page) {
  auto answer = domain_.AskMonitor("gpa2hva " + FormatAddress(page.value));
  if (!answer) return Forward(answer);
  auto address = ParseHostAddress(*answer);
  if (!address) return Forward(address);
  auto status =
      StatusDirectory(places_.status_dir, places_.channel_name).FindByName(domain_.name());
  if (!status) return Forward(status);
  auto process = IdentifyProcess(status->pid, "/proc");
  if (!process) return Forward(process);
  const auto frame = FrameBehind(*process, *address);
  if (!frame)
    return Fail(ErrorCode::kUnsupported, "no frame is known behind " + FormatAddress(page.value) +
                                             ": the guest never touched it, or we may not know");
  return RetireFrame(*frame, places_.hard_offline_path);
}

}  // namespace seaward::chaos
