#include "tests/support/testd/frames.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>

#include "base/file_io.h"
#include "base/unique_fd.h"

namespace seaward::testd {
namespace {

constexpr std::pair<FrameFlag, const char*> kNames[] = {
    {FrameFlag::kLru, "LRU"},           {FrameFlag::kSlab, "SLAB"},
    {FrameFlag::kBuddy, "BUDDY"},       {FrameFlag::kMmap, "MMAP"},
    {FrameFlag::kAnon, "ANON"},         {FrameFlag::kHead, "HEAD"},
    {FrameFlag::kTail, "TAIL"},         {FrameFlag::kHuge, "HUGE"},
    {FrameFlag::kHwpoison, "HWPOISON"}, {FrameFlag::kNoPage, "NOPAGE"},
    {FrameFlag::kThp, "THP"},           {FrameFlag::kPageTable, "PGTABLE"},
    {FrameFlag::kReserved, "RESERVED"},
};

// /proc/PID/pagemap, Linux Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 0-54 frame.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kFrameMask = (std::uint64_t{1} << 55) - 1;

// Words `first`... of a file of 64-bit words indexed by page number.
Result<std::vector<std::uint64_t>> ReadWords(const char* path, std::uint64_t first,
                                             std::uint64_t count) {
  auto file = OpenFile(path, O_RDONLY);
  if (!file) return Forward(file);
  std::vector<std::uint64_t> words(count);
  std::uint64_t done = 0;
  while (done < count) {
    const ssize_t n = pread(file->get(), words.data() + done, (count - done) * sizeof(words[0]),
                            static_cast<off_t>((first + done) * sizeof(words[0])));
    if (n < 0) return FailErrno(errno, path);
    if (n == 0) break;
    done += static_cast<std::uint64_t>(n) / sizeof(words[0]);
  }
  words.resize(done);
  return words;
}

}  // namespace

std::uint64_t PageSize() {
  return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}
GuestPhysAddr AddressOf(PageFrame frame) {
  return {frame.number * PageSize()};
}
PageFrame FrameAt(GuestPhysAddr addr) {
  return {addr.value / PageSize()};
}

bool Has(std::uint64_t flags, FrameFlag flag) {
  return (flags >> static_cast<unsigned>(flag) & 1) != 0;
}

std::vector<std::string> FlagNames(std::uint64_t flags) {
  std::vector<std::string> names;
  for (const auto& [flag, name] : kNames) {
    if (Has(flags, flag)) names.emplace_back(name);
  }
  return names;
}

Result<FrameFlag> ParseFlag(const std::string& name) {
  for (const auto& [flag, known] : kNames)
    if (name == known) return flag;
  return Fail(ErrorCode::kInvalid, "no frame flag is called " + name);
}

Result<std::vector<std::uint64_t>> ReadFlags(PageFrame first, std::uint64_t count) {
  return ReadWords("/proc/kpageflags", first.number, count);
}

Result<std::vector<PageFrame>> FramesOf(const void* address, std::uint64_t count) {
  auto words = ReadWords("/proc/self/pagemap",
                         reinterpret_cast<std::uintptr_t>(address) / PageSize(), count);
  if (!words) return Forward(words);
  std::vector<PageFrame> frames;
  frames.reserve(words->size());
  for (const std::uint64_t word : *words) {
    frames.push_back({(word & kPresent) != 0 ? word & kFrameMask : 0});
  }
  return frames;
}

Result<std::vector<MappedPage>> PagesOf(pid_t pid, std::uint64_t address, std::uint64_t count) {
  const std::string path = "/proc/" + std::to_string(pid) + "/pagemap";
  auto words = ReadWords(path.c_str(), address / PageSize(), count);
  if (!words) return Forward(words);
  std::vector<MappedPage> pages;
  pages.reserve(words->size());
  for (const std::uint64_t word : *words)
    pages.push_back(
        {(word & (kPresent | kSwapped)) == 0, {(word & kPresent) != 0 ? word & kFrameMask : 0}});
  return pages;
}

Result<std::optional<PageFrame>> FrameOf(const void* address) {
  auto frames = FramesOf(address, 1);
  if (!frames) return Forward(frames);
  if (frames->empty() || frames->front().number == 0) return std::optional<PageFrame>{};
  return std::optional<PageFrame>{frames->front()};
}

Result<std::vector<ByteRange>> SystemRam() {
  auto text = ReadTextFile("/proc/iomem", 1U << 20);
  if (!text) return Forward(text);
  std::vector<ByteRange> ranges;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == ' ' || line.find(": System RAM") == std::string::npos) continue;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> first >> dash >> last;
    auto range = ByteRange::Make({first}, last - first + 1);
    if (range) ranges.push_back(*range);
  }
  if (ranges.empty()) return Fail(ErrorCode::kNotFound, "no System RAM in /proc/iomem");
  return ranges;
}

Result<std::vector<ByteRange>> FreeRanges() {
  auto ram = SystemRam();
  if (!ram) return Forward(ram);
  std::vector<ByteRange> free;
  for (const ByteRange& range : *ram) {
    const PageFrame first = FrameAt(range.start());
    auto flags = ReadFlags(first, range.length() / PageSize());
    if (!flags) return Forward(flags);
    auto at = flags->begin();
    const auto is_free = [](std::uint64_t f) { return Has(f, FrameFlag::kBuddy); };
    while ((at = std::find_if(at, flags->end(), is_free)) != flags->end()) {
      const auto end = std::find_if_not(at, flags->end(), is_free);
      const auto offset = static_cast<std::uint64_t>(at - flags->begin());
      auto run = ByteRange::Make(AddressOf({first.number + offset}),
                                 static_cast<std::uint64_t>(end - at) * PageSize());
      if (run) free.push_back(*run);
      at = end;
    }
  }
  return free;
}

}  // namespace seaward::testd
