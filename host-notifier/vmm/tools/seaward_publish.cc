// seaward-publish: the smallest VMM, for tests, the quick demo and operators' drills. Attaches with
// the public C API, publishes exits, waits until a notifier has made them safe, says so in JSON.
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/units.h"
#include "base/uuid.h"
#include "seaward/vmm.h"

namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

// A data abort from user space, located: what a read of poisoned memory gives.
constexpr std::uint64_t kDefaultEsr = 0x92000010;

struct Settings {
  std::string socket = SEAWARD_DEFAULT_ATTACH_SOCKET;
  std::optional<seaward::Uuid> vm;
  std::optional<std::uint64_t> gpa;
  std::uint64_t esr = kDefaultEsr;
  std::uint64_t gva = 0;
  bool unlocated = false;
  bool backed = false;
  std::uint32_t vcpu = 0;
  std::uint32_t count = 1;
  std::chrono::milliseconds deadline{10000};
  bool interactive = false;
  bool stay = false;
};

struct Detach {
  void operator()(seaward_vmm* vm) const { seaward_detach(vm); }
};
using Vm = std::unique_ptr<seaward_vmm, Detach>;

void PrintUsage(std::FILE* out) {
  std::fputs(
      "usage: seaward-publish --gpa 0xADDR [options]\n"
      "       seaward-publish --interactive [options]   one address per line of stdin\n"
      "  --socket PATH      attach socket (default " SEAWARD_DEFAULT_ATTACH_SOCKET
      ")\n"
      "  --vm UUID          the VM to speak for\n"
      "  --esr 0xVALUE      syndrome (default 0x92000010)\n"
      "  --gva 0xADDR       faulting guest virtual address (default 0)\n"
      "  --unlocated        the exit carries no guest physical address\n"
      "  --backed           report a page of this process as the host's memory\n"
      "  --vcpu N           vCPU (default 0)\n"
      "  --count N          publish the exit N times (default 1)\n"
      "  --deadline-ms N    how long to wait for the notifier (default 10000)\n"
      "  --stay             stay attached until SIGTERM or SIGINT\n"
      "Prints one JSON line per exit; exit status 0 when a notifier made all of them safe.\n",
      out);
}

template <class T>
bool ParseDecimal(const char* text, T& out) {
  char* end = nullptr;
  errno = 0;
  const unsigned long value = std::strtoul(text, &end, 10);
  out = static_cast<T>(value);
  return errno == 0 && end != text && *end == '\0' && value <= 1000000;
}

bool ParseHex(const char* text, std::uint64_t& out) {
  const auto value = seaward::ParseAddress(text);
  if (value) out = *value;
  return value.has_value();
}

bool TakeOption(int option, const char* value, Settings& s) {
  std::uint64_t number = 0;
  switch (option) {
    case 's':
      s.socket = value;
      return true;
    case 'm': {
      const auto uuid = seaward::ParseUuid(value);
      if (uuid) s.vm = *uuid;
      return uuid.has_value();
    }
    case 'g':
      if (!ParseHex(value, number)) return false;
      s.gpa = number;
      return true;
    case 'e':
      return ParseHex(value, s.esr);
    case 'a':
      return ParseHex(value, s.gva);
    case 'u':
      return s.unlocated = true;
    case 'b':
      return s.backed = true;
    case 'v':
      return ParseDecimal(value, s.vcpu);
    case 'n':
      return ParseDecimal(value, s.count) && s.count > 0;
    case 'd': {
      unsigned ms = 0;
      const bool good = ParseDecimal(value, ms);
      s.deadline = std::chrono::milliseconds(ms);
      return good;
    }
    case 'i':
      return s.interactive = true;
    case 'y':
      return s.stay = true;
    default:
      return false;
  }
}

// Exit status, or nothing when the program is to go on.
std::optional<int> ParseArguments(int argc, char** argv, Settings& s) {
  static const option options[] = {
      {"socket", required_argument, nullptr, 's'}, {"vm", required_argument, nullptr, 'm'},
      {"gpa", required_argument, nullptr, 'g'},    {"esr", required_argument, nullptr, 'e'},
      {"gva", required_argument, nullptr, 'a'},    {"unlocated", no_argument, nullptr, 'u'},
      {"backed", no_argument, nullptr, 'b'},       {"vcpu", required_argument, nullptr, 'v'},
      {"count", required_argument, nullptr, 'n'},  {"deadline-ms", required_argument, nullptr, 'd'},
      {"interactive", no_argument, nullptr, 'i'},  {"stay", no_argument, nullptr, 'y'},
      {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
  for (int c = 0; (c = ::getopt_long(argc, argv, "", options, nullptr)) != -1;) {
    if (c == 'h') {
      PrintUsage(stdout);
      return kOk;
    }
    if (c == '?') return kUsage;
    if (TakeOption(c, optarg, s)) continue;
    std::fprintf(stderr, "seaward-publish: bad value '%s'\n", optarg);
    return kUsage;
  }
  const bool something = s.interactive || s.gpa || s.unlocated;
  if (optind == argc && something) return std::nullopt;
  PrintUsage(stderr);
  return kUsage;
}

void PrintToStderr(void*, int, const char* line) {
  std::fprintf(stderr, "seaward: %s\n", line);
}

Vm Attach(const Settings& s) {
  seaward_config config{};
  config.struct_size = sizeof config;
  config.attach_socket = s.socket.c_str();
  if (s.vm) config.vm_uuid = reinterpret_cast<const std::uint8_t*>(s.vm->bytes.data());
  config.log = PrintToStderr;
  seaward_vmm* vm = nullptr;
  if (const int failed = seaward_attach(&config, &vm); failed < 0)
    std::fprintf(stderr, "seaward-publish: attach: %s\n", std::strerror(-failed));
  return Vm(vm);
}

// A page of this process that stands for the guest's memory.
std::uint64_t TouchedPage() {
  void* page = ::mmap(nullptr, seaward::kPoisonGranule, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return page == MAP_FAILED ? 0 : reinterpret_cast<std::uint64_t>(page);
}

seaward_status StatusOf(const Vm& vm) {
  seaward_status status{};
  status.struct_size = sizeof status;
  seaward_get_status(vm.get(), &status);
  return status;
}

// The ring has no way to call back, and a VMM needs none: this looks every millisecond.
bool WaitUntilSafe(const Vm& vm, seaward::MonoTime deadline) {
  const seaward::SystemClock clock;
  while (StatusOf(vm).waiting != 0) {
    if (clock.Now() >= deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

bool PublishAndReport(const Vm& vm, const Settings& s, std::uint64_t gpa) {
  const seaward::SystemClock clock;
  seaward_exit exit{};
  exit.struct_size = sizeof exit;
  exit.vcpu = s.vcpu;
  exit.flags = s.unlocated ? 0 : SEAWARD_EXIT_GPA_VALID;
  exit.esr = s.esr;
  exit.gva = s.gva;
  exit.gpa = s.unlocated ? 0 : gpa;
  exit.hva = s.backed ? TouchedPage() : 0;
  exit.backing_page_size = s.backed ? seaward::kPoisonGranule : 0;
  exit.injection = static_cast<std::uint32_t>(seaward_decide_injection(&exit, SEAWARD_INJECT_AUTO));
  const auto before = StatusOf(vm);
  const seaward::MonoTime start = clock.Now();
  exit.when_ns = static_cast<std::uint64_t>(start.time_since_epoch().count());
  for (std::uint32_t i = 0; i < s.count; ++i) seaward_publish(vm.get(), &exit);
  const bool safe = WaitUntilSafe(vm, start + s.deadline);
  const auto waited = clock.Now() - start;
  const auto after = StatusOf(vm);
  // Who made it safe is attached, even while its confirmation is still on the way.
  const bool attached = after.attached != 0 || safe;
  std::printf(
      "{\"gpa\": \"%s\", \"gva\": \"%s\", \"esr\": \"%s\", \"hva\": \"%s\", \"vcpu\": %u, "
      "\"published_at_ns\": %" PRIu64 ", \"published\": %" PRIu64 ", \"coalesced\": %" PRIu64
      ", \"lost\": %" PRIu64 ", \"attached\": %s, \"released\": %s, \"waited_ns\": %" PRId64 "}\n",
      seaward::FormatAddress(exit.gpa).c_str(), seaward::FormatAddress(exit.gva).c_str(),
      seaward::FormatAddress(exit.esr).c_str(), seaward::FormatAddress(exit.hva).c_str(), exit.vcpu,
      exit.when_ns, after.published - before.published, after.coalesced - before.coalesced,
      after.lost - before.lost, attached ? "true" : "false", safe ? "true" : "false",
      std::int64_t{waited.count()});
  std::fflush(stdout);
  return safe && after.lost == before.lost;
}

bool PublishLinesOfStdin(const Vm& vm, const Settings& s) {
  bool all_safe = true;
  for (std::string line; std::getline(std::cin, line);) {
    std::uint64_t gpa = 0;
    if (!ParseHex(line.c_str(), gpa)) {
      std::fprintf(stderr, "seaward-publish: bad address '%s'\n", line.c_str());
      all_safe = false;
      continue;
    }
    if (!PublishAndReport(vm, s, gpa)) all_safe = false;
  }
  return all_safe;
}

void WaitForEnd() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  int received = 0;
  ::sigwait(&ends, &received);
}

void BlockEndSignals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  if (const auto status = ParseArguments(argc, argv, settings)) return *status;
  if (settings.stay) BlockEndSignals();
  const Vm vm = Attach(settings);
  if (!vm) return kFailed;
  const bool safe = settings.interactive ? PublishLinesOfStdin(vm, settings)
                                         : PublishAndReport(vm, settings, settings.gpa.value_or(0));
  if (settings.stay) WaitForEnd();
  return safe ? kOk : kFailed;
}
