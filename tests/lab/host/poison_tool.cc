#include "tests/lab/host/poison_tool.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/support/test_images.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

// Reading all symbols takes seconds in emulation, more under load.
constexpr std::chrono::seconds kSymbols{120};
constexpr std::chrono::seconds kOrder{60};
constexpr char kAnswers[] = "poison.log";

constexpr char kReadSymbols[] =
    "grep -E ' (_text|_stext|_etext|__init_begin|kvm_handle_guest_(abort|sea))$' /proc/kallsyms";

}  // namespace

Result<PoisonTool> PoisonTool::Start(EmulatedHost& host) {
  auto symbols = host.Shell(kReadSymbols, kSymbols);
  if (!symbols) return Forward(symbols);
  auto iomem = host.Shell("cat /proc/iomem", kOrder);
  if (!iomem) return Forward(iomem);
  std::ofstream(host.WorkPath("kallsyms")) << *symbols;
  std::ofstream(host.WorkPath("iomem")) << *iomem;
  std::filesystem::remove(host.WorkPath(kAnswers));
  auto child = testing::ChildProcess::Start(
      {.argv = {testing::HostBinDir() + "/seaward-poison", "--image", host.images().kernel,
                "--kallsyms", host.WorkPath("kallsyms"), "--iomem", host.WorkPath("iomem"), "--ram",
                host.ram_file(), "--gdb", host.gdb_socket()},
       .log = host.WorkPath(kAnswers),
       .keep_stdin = true});
  if (!child) return Forward(child);
  PoisonTool tool(host, std::move(*child));
  auto greeting = tool.NextLine();
  if (!greeting) return Forward(greeting);
  if (!greeting->starts_with("ok "))
    return Fail(ErrorCode::kUnsupported, "seaward-poison: " + *greeting);
  tool.greeting_ = *greeting;
  return tool;
}

Result<std::string> PoisonTool::NextLine() {
  std::string line;
  const auto heard = [&] {
    std::ifstream answers(host_->WorkPath(kAnswers));
    for (std::size_t i = 0; i <= lines_heard_; ++i)
      if (!std::getline(answers, line) || answers.eof()) return false;
    return true;
  };
  if (!testing::WaitUntil(heard, kOrder))
    return Fail(ErrorCode::kTimeout, "seaward-poison is silent");
  ++lines_heard_;
  host_->transcript().Add("poison_tool", {{"line", line}});
  return line;
}

Status PoisonTool::Order(const std::string& line) {
  host_->transcript().Add("poison_tool", {{"order", line}});
  if (auto sent = child_.WriteLine(line); !sent) return sent;
  auto answer = NextLine();
  if (!answer) return Forward(answer);
  if (!answer->starts_with("ok ")) return Fail(ErrorCode::kIo, "seaward-poison: " + *answer);
  return {};
}

Status PoisonTool::Poison(GuestPhysAddr page, HostPhysAddr backing) {
  return Order(fmt::format("poison {:#x} {:#x}", page.value, backing.value));
}

Status PoisonTool::Heal(GuestPhysAddr page) {
  return Order(fmt::format("heal {:#x}", page.value));
}

Result<PoisonTool::Farewell> PoisonTool::Finish() {
  if (auto sent = child_.WriteLine("quit"); !sent) return Forward(sent);
  return Hear();
}

Result<PoisonTool::Farewell> PoisonTool::FinishBySignal(int number) {
  child_.Signal(number);
  return Hear();
}

Result<PoisonTool::Farewell> PoisonTool::Hear() {
  auto line = NextLine();
  if (!line) return Forward(line);
  const auto end = child_.Wait(kOrder);
  if (!end) return Fail(ErrorCode::kTimeout, "seaward-poison does not end");
  return Farewell{*line, end->signal != 0 ? -end->signal : end->exit_code};
}

}  // namespace seaward::lab
