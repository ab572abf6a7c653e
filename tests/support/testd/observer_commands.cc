// What observers ask of a machine: many frames at once, a frame of some kind, what a process uses.
// And its clock, which they set.
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/file_io.h"
#include "tests/support/testd/commands.h"
#include "tests/support/testd/frames.h"

namespace seaward::testd {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxProcFile = 64U << 10;

// /proc/PID/stat behind the name, which may hold anything: field 3 is the first word.
std::vector<std::string> StatWords(const std::string& text) {
  std::vector<std::string> words;
  const auto name_ends = text.rfind(')');
  if (name_ends == std::string::npos) return words;
  std::istringstream in(text.substr(name_ends + 1));
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::size_t CountEntries(const std::string& folder) {
  std::size_t count = 0;
  DIR* open = ::opendir(folder.c_str());
  if (open == nullptr) return 0;
  while (const dirent* entry = ::readdir(open))
    if (entry->d_name[0] != '.') ++count;
  ::closedir(open);
  return count;
}

}  // namespace

// {"pages": [...]} -> {"names": [[...], ...]} in that order
Result<Json> Commands::FlagsOfAll(const Json& request) {
  Json all = Json::array();
  for (const auto& text : request.at("pages").get<std::vector<std::string>>()) {
    auto addr = ParseAddress(text);
    if (!addr) return Forward(addr);
    auto flags = ReadFlags(FrameAt({*addr}), 1);
    if (!flags) return Forward(flags);
    all.push_back(flags->empty() ? std::vector<std::string>{} : FlagNames(flags->front()));
  }
  return Json{{"names", all}};
}

// {"flag": name, "skip": n} -> {"at"}: the n-th frame with that flag, counted around in a circle;
// never one that is poisoned already.
Result<Json> Commands::FindFrame(const Json& request) {
  auto flag = ParseFlag(request.at("flag").get<std::string>());
  if (!flag) return Forward(flag);
  auto ram = SystemRam();
  if (!ram) return Forward(ram);
  std::vector<PageFrame> found;
  for (const ByteRange& range : *ram) {
    const PageFrame first = FrameAt(range.start());
    auto flags = ReadFlags(first, range.length() / PageSize());
    if (!flags) return Forward(flags);
    for (std::size_t i = 0; i < flags->size(); ++i)
      if (Has((*flags)[i], *flag) && !Has((*flags)[i], FrameFlag::kHwpoison))
        found.push_back({first.number + i});
  }
  if (found.empty()) return Fail(ErrorCode::kNotFound, "no frame is that");
  const auto skip = request.value("skip", std::uint64_t{0}) % found.size();
  return Json{{"at", FormatAddress(AddressOf(found[skip]).value)}};
}

// {"pid"} -> {"state", "rss_kb", "descriptors", "cpu_ms"}; state Z: it died, nobody asked how
Result<Json> Commands::ProcessUsage(const Json& request) {
  const std::string folder = "/proc/" + std::to_string(request.at("pid").get<pid_t>());
  auto stat = ReadTextFile(folder + "/stat", kMaxProcFile);
  if (!stat) return Forward(stat);
  const auto words = StatWords(*stat);
  // proc(5): utime is field 14, stime 15, rss (pages) 24; the first word is field 3.
  if (words.size() < 22) return Fail(ErrorCode::kCorrupt, folder + "/stat");
  const auto ticks = std::stoull(words[11]) + std::stoull(words[12]);
  return Json{{"state", words[0]},
              {"rss_kb", std::stoull(words[21]) * PageSize() / 1024},
              {"descriptors", CountEntries(folder + "/fd")},
              {"cpu_ms", ticks * 1000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK))}};
}

// {"by_s"}: moves the wall clock.
Result<Json> Commands::MoveClock(const Json& request) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += request.at("by_s").get<std::int64_t>();
  if (::clock_settime(CLOCK_REALTIME, &now) != 0) return FailErrno(errno, "clock_settime");
  return Json::object();
}

}  // namespace seaward::testd
