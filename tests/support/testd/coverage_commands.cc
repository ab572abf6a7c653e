// What a test asks that counts pages: whose frames not to touch, and what the kernel said of each.
#include <fcntl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/file_io.h"
#include "tests/support/testd/commands.h"
#include "tests/support/testd/frames.h"

namespace seaward::testd {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxMaps = 1U << 20;
// syslog(2).
constexpr int kReadAllOfTheLog = 3;
constexpr int kSizeOfTheLog = 10;

// Frames behind what process `pid` has mapped.
Status AddProcess(pid_t pid, std::set<std::uint64_t>& frames) {
  auto maps = ReadTextFile("/proc/" + std::to_string(pid) + "/maps", kMaxMaps);
  if (!maps) return Forward(maps);
  std::istringstream lines(*maps);
  for (std::string line; std::getline(lines, line);) {
    std::size_t dash = 0;
    const std::uint64_t first = std::stoull(line, &dash, 16);
    const std::uint64_t end = std::stoull(line.substr(dash + 1), nullptr, 16);
    // What the kernel lends to every process is not in pagemap.
    auto pages = PagesOf(pid, first, (end - first) / PageSize());
    if (!pages) continue;
    for (const MappedPage& page : *pages) frames.insert(page.frame.number);
  }
  return {};
}

// Frames that hold the file, whoever uses it.
Status AddFile(const std::string& path, std::set<std::uint64_t>& frames) {
  auto file = OpenFile(path, O_RDONLY);
  if (!file) return Forward(file);
  std::error_code failed;
  const std::uint64_t bytes = std::filesystem::file_size(path, failed);
  if (failed) return FailErrno(failed.value(), path);
  void* const memory = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, file->get(), 0);
  if (memory == MAP_FAILED) return FailErrno(errno, path);
  auto found = FramesOf(memory, (bytes + PageSize() - 1) / PageSize());
  ::munmap(memory, bytes);
  if (!found) return Forward(found);
  for (const PageFrame frame : *found) frames.insert(frame.number);
  return {};
}

}  // namespace

// {"pids": [...], "files": [...]} -> {"frames": [...]} of all of them
Result<Json> Commands::FramesOfPrograms(const Json& request) {
  std::set<std::uint64_t> frames;
  for (const pid_t pid : request.value("pids", std::vector<pid_t>{}))
    if (auto added = AddProcess(pid, frames); !added) return Forward(added);
  for (const auto& path : request.value("files", std::vector<std::string>{}))
    if (auto added = AddFile(path, frames); !added) return Forward(added);
  frames.erase(0);
  Json list = Json::array();
  for (const std::uint64_t number : frames)
    list.push_back(FormatAddress(AddressOf({number}).value));
  return Json{{"frames", list}};
}

// {"with": text} -> {"lines": [...]}: of the kernel's log, since it booted.
Result<Json> Commands::KernelLog(const Json& request) {
  const auto wanted = request.at("with").get<std::string>();
  const int size = ::klogctl(kSizeOfTheLog, nullptr, 0);
  if (size < 0) return FailErrno(errno, "klogctl");
  std::string text(static_cast<std::size_t>(size), '\0');
  const int length = ::klogctl(kReadAllOfTheLog, text.data(), size);
  if (length < 0) return FailErrno(errno, "klogctl");
  text.resize(static_cast<std::size_t>(length));
  Json found = Json::array();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.find(wanted) != std::string::npos) found.push_back(line);
  return Json{{"lines", found}};
}

}  // namespace seaward::testd
