// seaward-testd: the command server inside a test machine, and /init of a test guest.
//
//   (no words, as process 1)  prepares the machine, then serves on the virtio port
//   --port NAME               serves on that virtio port
//   --unix PATH               serves on a unix socket
//   --count FILE              reads its input to the end, and writes the number of bytes to FILE
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/log.h"
#include "tests/support/testd/bare_loop.h"
#include "tests/support/testd/commands.h"
#include "tests/support/testd/frames.h"
#include "tests/support/testd/frames_json.h"
#include "tests/support/testd/line_channel.h"
#include "tests/support/testd/page_kinds.h"

namespace seaward::testd {
namespace {

void RunBareLoop(BareLoop& bare, std::size_t pages, const Logger& log) {
  if (auto done = bare.Run(pages); !done) log.Error("bare_loop", {{"error", done.error().Text()}});
}

BootReport BecomeInit(const Logger& log) {
  BootReport boot;
  if (auto ready = PrepareMachine(); !ready) {
    log.Error("machine_not_prepared", {{"error", ready.error().Text()}});
  }
  if (auto loaded = LoadBootModules(); !loaded)
    log.Error("boot_modules", {{"error", loaded.error().Text()}});
  if (auto mounted = MountVariables(); !mounted)
    log.Error("no_variables", {{"error", mounted.error().Text()}});
  auto command_line = ReadTextFile("/proc/cmdline", 64U << 10);
  boot.wishes = ParseBootWishes(command_line ? *command_line : std::string());
  if (boot.wishes.frames) {
    if (auto free = FreeRanges()) boot.free_frames = RangesJson(*free);
  }
  // Half before the early stage and half after it: what a young machine does slowly, both meet.
  std::optional<BareLoop> bare;
  if (boot.wishes.bare) {
    bare.emplace(*boot.wishes.bare);
    RunBareLoop(*bare, boot.wishes.bare->count / 2, log);
  }
  if (boot.wishes.early) {
    std::string output;
    const SystemClock clock;
    const MonoTime begin = clock.Now();
    auto code = RunEarlyStage(output);
    const std::chrono::duration<double, std::micro> took = clock.Now() - begin;
    boot.early = {{"exit", code ? *code : -1}, {"output", output}, {"took_us", took.count()}};
    log.Info("early_stage", {{"exit", std::to_string(code ? *code : -1)},
                             {"took_us", std::to_string(static_cast<long>(took.count()))},
                             {"output", output}});
  }
  if (bare) {
    RunBareLoop(*bare, boot.wishes.bare->count - bare->pages(), log);
    using Micros = std::chrono::duration<double, std::micro>;
    boot.bare = {{"pages", bare->pages()},
                 {"refused", bare->refused()},
                 {"took_us", Micros(bare->took()).count()},
                 {"looks_took_us", Micros(bare->looks_took()).count()}};
  }
  if (boot.wishes.agent) {
    if (auto agent = StartAgent()) boot.agent = *agent;
  }
  return boot;
}

int Serve(LineChannel& channel, Commands& commands, const Logger& log) {
  while (true) {
    auto line = channel.ReadLine();
    if (!line) {
      log.Error("command_channel", {{"error", line.error().Text()}});
      return 1;
    }
    if (auto sent = channel.WriteLine(commands.Answer(*line)); !sent) {
      log.Error("command_channel", {{"error", sent.error().Text()}});
    }
  }
}

int CountInput(const std::string& path) {
  std::uint64_t bytes = 0;
  char buffer[16384];
  for (ssize_t n = 0; (n = ::read(STDIN_FILENO, buffer, sizeof(buffer))) > 0;)
    bytes += static_cast<std::uint64_t>(n);
  std::ofstream(path) << bytes << "\n";
  return 0;
}

int Main(const std::vector<std::string>& words) {
  signal(SIGPIPE, SIG_IGN);
  StderrSink sink;
  const Logger log(sink, LogLevel::kInfo);
  const bool init = ::getpid() == 1;
  BootReport boot = init ? BecomeInit(log) : BootReport{};
  const std::string option = words.size() == 2 && !init ? words[0] : "";
  if (option == "--count") return CountInput(words[1]);
  if (!init && option != "--port" && option != "--unix") {
    std::fputs("usage: seaward-testd --port NAME | --unix PATH | --count FILE\n", stderr);
    return 2;
  }
  const std::string name = init ? boot.wishes.port : words[1];
  auto channel = option == "--unix" ? ListenOnUnixSocket(name) : OpenVirtioPort(name);
  if (!channel) {
    log.Error("command_channel", {{"error", channel.error().Text()}});
    return 1;
  }
  Commands commands(std::move(boot));
  return Serve(**channel, commands, log);
}

}  // namespace
}  // namespace seaward::testd

int main(int argc, char** argv) {
  return seaward::testd::Main(std::vector<std::string>(argv + 1, argv + argc));
}
