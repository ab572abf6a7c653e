#include "tests/lab/host/poison_tool.h"

#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/test_images.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

// Reading all symbols takes seconds in emulation, more under load.
constexpr std::chrono::seconds kSymbols{120};
constexpr std::chrono::seconds kOrder{60};
constexpr char kAnswers[] = "poison.log";

constexpr char kReadSymbols[] =
    "grep -E ' "
    "(_text|_stext|_etext|__init_begin|high_memory|kvm_hyp_handle_(dabt_low|memory_fault)|kvm_"
    "handle_guest_sea|fault_supports_stage2_huge_mapping)$' /proc/kallsyms";

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

// Its answer without "ok ".
Result<std::string> PoisonTool::Order(const std::string& line) {
  host_->transcript().Add("poison_tool", {{"order", line}});
  if (auto sent = child_.WriteLine(line); !sent) return Forward(sent);
  auto answer = NextLine();
  if (!answer) return Forward(answer);
  if (!answer->starts_with("ok ")) return Fail(ErrorCode::kIo, "seaward-poison: " + *answer);
  return answer->substr(3);
}

Status PoisonTool::Poison(GuestPhysAddr page, HostPhysAddr backing, const PoisonKind& kind) {
  auto done = Order(fmt::format("poison {:#x} {:#x} {}", page.value, backing.value, kind.Text()));
  if (!done) return Forward(done);
  return {};
}

Status PoisonTool::Heal(GuestPhysAddr page) {
  auto done = Order(fmt::format("heal {:#x}", page.value));
  if (!done) return Forward(done);
  return {};
}

Result<PoisonTool::Pages> PoisonTool::List() {
  auto answer = Order("list");
  if (!answer) return Forward(answer);
  Pages pages;
  std::istringstream words(*answer);  // pages 0x... lifted 0x... method=...
  auto* into = &pages.bad;
  for (std::string word; words >> word;) {
    if (word == "lifted") into = &pages.lifted;
    if (auto page = ParseAddress(word)) into->push_back({*page});
  }
  return pages;
}

Result<std::vector<GuestTable>> PoisonTool::TablesOf(GuestPhysAddr page, HostPhysAddr backing) {
  auto answer = Order(fmt::format("tables {:#x} {:#x}", page.value, backing.value));
  if (!answer) return Forward(answer);
  std::vector<GuestTable> tables;
  std::istringstream words(*answer);  // tables 3:0x...:0x... 2:... method=...
  for (std::string word; words >> word;) {
    GuestTable table;
    if (std::sscanf(word.c_str(), "%d:%" SCNx64 ":%" SCNx64, &table.level, &table.page.value,
                    &table.backing.value) == 3)
      tables.push_back(table);
  }
  return tables;
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
