#include "guest-agent/app/machine.h"

#include <sys/random.h>
#include <unistd.h>

#include <charconv>
#include <ctime>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

constexpr std::size_t kLineCap = 256;
constexpr std::size_t kMeminfoCap = 64 << 10;
// Since Linux 5.6; glibc 2.36 names it, an older kernel refuses it.
constexpr unsigned kInsecure = 0x0004;

Result<Uuid> ReadUuidFile(const std::string& path) {
  auto text = ReadTextFile(path, kLineCap);
  if (!text) return Forward(text);
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return ParseUuid(*text);
}

}  // namespace

Result<Uuid> ReadBootId(const SystemRoots& roots) {
  return ReadUuidFile(roots.proc + "/sys/kernel/random/boot_id");
}

Uuid ReadMachineUuid(const SystemRoots& roots) {
  return ReadUuidFile(roots.sys + "/class/dmi/id/product_uuid").value_or(Uuid{});
}

PageSize KernelPageSize() {
  return PageSize{static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
}

bool IsCrashKernel(const SystemRoots& roots) {
  return ::access((roots.proc + "/vmcore").c_str(), F_OK) == 0;
}

std::uint64_t HardwareCorruptedBytes(const SystemRoots& roots) {
  const auto text = ReadTextFile(roots.proc + "/meminfo", kMeminfoCap);
  if (!text) return 0;
  constexpr std::string_view kKey = "HardwareCorrupted:";
  const std::size_t at = text->find(kKey);
  if (at == std::string::npos) return 0;
  const std::size_t digits = text->find_first_not_of(' ', at + kKey.size());
  if (digits == std::string::npos) return 0;
  std::uint64_t kib = 0;
  std::from_chars(text->data() + digits, text->data() + text->size(), kib);
  return kib * 1024;
}

std::uint64_t RandomNumber() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, kInsecure) == sizeof number) return number;
  if (::getrandom(&number, sizeof number, GRND_NONBLOCK) == sizeof number) return number;
  // Before Linux 5.6 and before the generator is ready: the counter that ran since power-on, mixed
  // (splitmix64), is different in every boot and every call.
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  number = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) + 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

}  // namespace seaward::agent
