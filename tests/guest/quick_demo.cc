// quick-demo: Seaward's story on one screen in an emulated guest, in less than a minute. The exit
// is published through the VMM library (`exit_source: published`); the lab's demo has a kernel's
// exits.
//
//   quick-demo [FOLDER]     writes FOLDER/quick-report.json and what it is made of (default
//                           build/demo of the source tree)
// Exit status: 0 the story went as told, 1 it did not, 77 no guest kernel obtainable.
#include <signal.h>
#include <sys/utsname.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "tests/support/notifier_host.h"
#include "tests/support/tcg_guest.h"

namespace seaward::testing {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kNoKernel = 77;
constexpr char kGuestName[] = "guest";
constexpr unsigned kMemoryMib = 192;  // all of it is taken twice, which is what takes time

template <class T>
T Need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().Text());
  return std::move(*result);
}
void Need(Status status) {
  if (!status) throw std::runtime_error(status.error().Text());
}

class Story {
 public:
  Story(GuestImages images, std::string folder)
      : images_(std::move(images)),
        folder_(std::move(folder)),
        vm_(ParseUuid("5ea3a4d0-0000-4000-8000-00000000d300").value()),
        began_(clock_.Now()),
        libvirtd_(Need(PrivateLibvirtd::Start())) {}

  // True when everything went as it should. `report` holds what was seen, also when it did not.
  bool Tell(Json& report) {
    utsname host{};
    ::uname(&host);
    report["exit_source"] = "published";
    report["host_kernel"] = std::string(host.release);
    report["guest_kernel"] = images_.kernel_version;
    const bool guarded = TellGuarded(report);
    const bool control = TellControl(report);
    report["seconds"] = Seconds();
    return guarded && control;
  }

 private:
  double Seconds() const { return std::chrono::duration<double>(clock_.Now() - began_).count(); }
  void Say(const std::string& line) const {
    std::printf("%6.1f s  %s\n", Seconds(), line.c_str());
    std::fflush(stdout);
  }

  bool TellGuarded(Json& report) {
    NotifierHost host({.vm = vm_,
                       .vm_name = kGuestName,
                       .channel = TcgGuest::ChannelPath(libvirtd_->folder(), kGuestName)});
    Need(host.StartNotifier());
    Need(host.StartPublisher());
    Say("seaward-notifier is up; the guest boots with seaward-agent");
    auto guest = Need(TcgGuest::Start(*libvirtd_, images_,
                                      {.name = kGuestName, .uuid = vm_, .memory_mib = kMemoryMib}));
    const bool died_alone = PageGoesBad(*guest, host, report);
    const bool stayed_away = GuestReboots(*guest, host, report);
    Keep(guest->console_path(), "quick-console.log");
    guest.reset();
    host.StopNotifier();
    Keep(host.folder() / "state/ledger.db", "quick-ledger.db");
    Keep(host.folder() / "notifier.log", "quick-notifier.log");
    return died_alone && stayed_away;
  }

  bool PageGoesBad(TcgGuest& guest, NotifierHost& host, Json& report) {
    auto victim = Need(guest.shell().Ask("victim_start"));
    page_ = GuestPhysAddr{Need(ParseAddress(victim["pages"][0].get<std::string>()))};
    Say("a process owns the page at " + FormatAddress(page_.value) + "; now it goes bad");
    Need(host.Publish(page_));
    const LedgerPage verdict = Need(host.WaitForVerdict(page_, guest.boot_id()));
    auto exits = Need(host.QueryLedger(
        "SELECT count(*) AS seen, sum(count) AS times, min(flags) AS flags, min(esr) AS esr "
        "FROM event WHERE source = 'exit'"));
    report["exits_seen"] = exits[0]["times"];
    report["exit_flags"] = exits[0]["flags"];
    report["exit_esr"] = FormatAddress(exits[0]["esr"].get<std::uint64_t>());
    report["exit_gpa"] = FormatAddress(page_.value);
    report["verdict"] = verdict.outcome;
    report["host_retired"] = verdict.host_retired;
    report["exposure_us"] = verdict.exposure_ns / 1000;
    Say("verdict: " + verdict.outcome + ", " + std::to_string(verdict.exposure_ns / 1000) +
        " us after the exit");
    auto touch = Need(guest.shell().Ask("victim_touch", {{"pid", victim["pid"]}}));
    report["victim_signal"] = touch.value("signal", 0);
    auto status = Need(guest.shell().Ask("status"));
    const bool alive = status["boot_id"] == guest.boot_id();
    report["guest_kernel_alive"] = alive;
    report["core_pattern"] = CorePattern(guest);
    Say("the process touches it and ends with signal " + std::to_string(touch.value("signal", 0)) +
        "; the guest lives on");
    return verdict.outcome == "retired" && touch.value("signal", 0) == SIGBUS && alive;
  }

  static std::string CorePattern(TcgGuest& guest) {
    auto read = Need(guest.shell().Ask("read", {{"path", "/proc/sys/kernel/core_pattern"}}));
    auto text = read["text"].get<std::string>();
    return text.substr(0, text.find('\n'));
  }

  bool GuestReboots(TcgGuest& guest, NotifierHost& host, Json& report) {
    Need(guest.RebootFromInside());
    const LedgerPage verdict = Need(host.WaitForVerdict(page_, guest.boot_id()));
    const bool early = verdict.outcome == "retired" && verdict.stage == "early";
    report["retired_before_init_after_reboot"] = early;
    Say("the guest has rebooted: " + verdict.outcome + " again by the " + verdict.stage + " stage");
    const auto handout = Need(guest.TakeAllMemory(page_));
    report["pages_taken_after_reboot"] = handout.pages;
    report["bad_page_given_out_after_reboot"] = handout.given;
    Say("all memory is taken (" + std::to_string(handout.pages) + " pages): the bad page is " +
        (handout.given ? "AMONG THEM" : "not among them"));
    return early && !handout.given;
  }

  // The same image and page; nobody tells the guest's next boot.
  bool TellControl(Json& report) {
    Say("control: the same guest without Seaward");
    auto guest = Need(TcgGuest::Start(*libvirtd_, images_,
                                      {.name = kGuestName,
                                       .uuid = vm_,
                                       .memory_mib = kMemoryMib,
                                       .early = false,
                                       .agent = false}));
    const auto handout = Need(guest->TakeAllMemory(page_));
    Keep(guest->console_path(), "quick-control-console.log");
    report["control_outcome"] = handout.given ? "reused" : "none";
    Say(handout.given ? "the bad page is given to a process again"
                      : "the bad page was not given out");
    return handout.given;
  }

  void Keep(const std::string& file, const std::string& name) const {
    std::error_code ignored;
    std::filesystem::copy_file(file, folder_ + "/" + name,
                               std::filesystem::copy_options::overwrite_existing, ignored);
  }

  const GuestImages images_;
  const std::string folder_;
  const Uuid vm_;
  const SystemClock clock_;
  const MonoTime began_;
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  GuestPhysAddr page_;
};

int RunDemo(const std::string& folder) {
  std::filesystem::create_directories(folder);
  auto images = FindGuestImages();
  if (!images) {
    std::printf("%s\n", images.error().Text().c_str());
    return images.error().code == ErrorCode::kUnsupported ? kNoKernel : 1;
  }
  Json report;
  bool as_told = false;
  try {
    as_told = Story(*images, folder).Tell(report);
  } catch (const std::exception& broken) {
    std::printf("the demo broke off: %s\n", broken.what());
    report["error"] = broken.what();
  }
  const std::string path = folder + "/quick-report.json";
  std::ofstream(path) << report.dump(2) << "\n";
  std::printf("%s: %s\n", as_told ? "as told" : "NOT AS TOLD", path.c_str());
  return as_told ? 0 : 1;
}

}  // namespace
}  // namespace seaward::testing

int main(int argc, char** argv) {
  return seaward::testing::RunDemo(argc > 1 ? argv[1] : SEAWARD_SOURCE_DIR "/build/demo");
}
