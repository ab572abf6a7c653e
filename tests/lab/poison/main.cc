// seaward-poison: makes guest pages bad inside a running emulated Arm host, one line per order.
//
//   poison GPA BACKING [KIND]  every access to the guest page GPA aborts; BACKING: its page in the
//                              host; KIND: poison_kind.h
//   heal GPA                   accesses work again
//   list                       the bad pages, and those lifted because the VMM has other backing
//                              now
//   tables GPA BACKING         the guest's translation tables on the way to a process's page GPA:
//                              LEVEL:GPA:BACKING, last level first
//   quit                       as end of input or SIGINT, SIGTERM, SIGHUP: leave, and put
//                              everything back
//
// Each order is answered by one line, "ok ..." or "error ...", which ends with the method in use.
// Exit status: 0 everything was put back; 1 it was not; 2 usage, a missing precondition, or a
// refused order (it says which).
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <string>

#include "base/file_io.h"
#include "tests/lab/poison/btf.h"
#include "tests/lab/poison/orders.h"

namespace seaward::lab {
namespace {

// Between two looks whether bad pages have got other backing, milliseconds. The trampoline does not
// wait for it; it only keeps the list short.
constexpr int kLook = 200;

struct Options {
  std::string image, kallsyms, iomem, ram, gdb;
  std::string ram_base = "0x40000000";  // of QEMU's `virt` board
};

void Say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

Result<VcpuLayout> ReadLayout(const std::string& image_path) {
  constexpr std::size_t kLargestImage = 256u << 20;
  auto image = ReadFile(image_path, kLargestImage);
  if (!image) return Forward(image);
  auto btf = Btf::FindInImage(*image);
  if (!btf) return Forward(btf);
  using Path = std::array<std::string_view, 3>;
  auto esr = btf->Offset("kvm_vcpu", Path{"arch", "fault", "esr_el2"});
  if (!esr) return Forward(esr);
  return VcpuLayout{*esr};
}

Result<Poisoner> Install(const Options& options) {
  constexpr std::size_t kLargestText = 64u << 20;
  auto kallsyms = ReadTextFile(options.kallsyms, kLargestText);
  if (!kallsyms) return Forward(kallsyms);
  auto iomem = ReadTextFile(options.iomem, kLargestText);
  if (!iomem) return Forward(iomem);
  auto place = KernelPlace::Parse(*kallsyms, *iomem);
  if (!place) return Forward(place);
  auto layout = ReadLayout(options.image);
  if (!layout) return Forward(layout);
  auto base = ParseAddress(options.ram_base);
  if (!base) return Forward(base);
  auto ram = MachineRam::Open(options.ram, {*base});
  if (!ram) return Forward(ram);
  return Poisoner::Install(options.gdb, std::move(*ram), *place, *layout);
}

// Until quit, end of input or a signal. False when an order was refused.
bool Serve(Poisoner& poisoner, int signals) {
  bool all_good = true;
  std::string input;
  for (;;) {
    std::array<pollfd, 2> wait = {{{STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}}};
    const int ready =
        ::poll(wait.data(), wait.size(), poisoner.pages().pages().empty() ? -1 : kLook);
    if (ready < 0 && errno != EINTR) return false;
    // A machine that is gone shows at the next order, or at the end.
    if (ready == 0) (void)poisoner.pages().Check();
    if (ready <= 0) continue;
    if (wait[1].revents != 0) return all_good;
    if (wait[0].revents == 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got <= 0 || input.size() > buffer.size()) return all_good;
    input.append(buffer.data(), static_cast<std::size_t>(got));
    for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      const std::string line = input.substr(0, end);
      input.erase(0, end + 1);
      if (line == "quit") return all_good;
      const Answer answer = Obey(poisoner, line);
      all_good = all_good && answer.good;
      Say(answer.line);
    }
  }
}

// Signals are only looked at between orders: no order is ever half done.
UniqueFd HoldSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

int Run(const Options& options) {
  const UniqueFd signals = HoldSignals();
  auto poisoner = Install(options);
  if (!poisoner) {
    Say("error " + poisoner.error().Text());
    return 2;
  }
  const KernelPatch& patch = poisoner->patch();
  Say(fmt::format("ok ready sites={:#x},{:#x} trampoline={:#x} huge_pages={} method={}: {}",
                  patch.site(0).value, patch.site(1).value, patch.code().value,
                  patch.splits_huge_pages() ? "mapped_small" : "refused", kMethodWord, kMethod));
  const bool all_good = Serve(*poisoner, signals.get());
  auto restored = poisoner->Restore();
  if (!restored) {
    Say("error not restored: " + restored.error().Text());
    return restored.error().code == ErrorCode::kClosed ? 2 : 1;
  }
  Say(fmt::format("ok restored descriptors={} replaced={} patch_removed={} method={}",
                  restored->descriptors_restored, restored->descriptors_replaced,
                  !poisoner->patch().installed(), kMethodWord));
  return all_good ? 0 : 2;
}

}  // namespace
}  // namespace seaward::lab

int main(int argc, char** argv) {
  seaward::lab::Options options;
  CLI::App app("Makes pages of a nested guest bad. Patches the emulated host's kernel text.");
  app.add_option("--image", options.image, "kernel image of the emulated host (BTF)")->required();
  app.add_option("--kallsyms", options.kallsyms, "its /proc/kallsyms")->required();
  app.add_option("--iomem", options.iomem, "its /proc/iomem, read as root")->required();
  app.add_option("--ram", options.ram, "file behind its RAM")->required();
  app.add_option("--gdb", options.gdb, "unix socket of QEMU's gdb stub")->required();
  app.add_option("--ram-base", options.ram_base, "physical address of its RAM");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return seaward::lab::Run(options);
}
