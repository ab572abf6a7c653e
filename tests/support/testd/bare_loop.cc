#include "tests/support/testd/bare_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/file_io.h"
#include "base/units.h"
#include "tests/support/testd/frames.h"

namespace seaward::testd {

std::optional<BareList> ParseBareList(const std::string& text) {
  unsigned long long first = 0;
  unsigned long long step = 0;
  std::size_t count = 0;
  if (std::sscanf(text.c_str(), "%llx:%llx:%zu", &first, &step, &count) != 3) return std::nullopt;
  return BareList{first, step, count};
}

Status BareLoop::Run(std::size_t pages) {
  const std::size_t first = next_;
  std::vector<std::string> texts;
  for (pages = std::min(pages, list_.count - next_); texts.size() < pages; ++next_)
    texts.push_back(FormatAddress(list_.first + next_ * list_.step));
  auto file = OpenFile("/sys/devices/system/memory/hard_offline_page", O_WRONLY);
  if (!file) return Forward(file);
  const SystemClock clock;
  const MonoTime begin = clock.Now();
  for (const std::string& text : texts)
    if (::pwrite(file->get(), text.data(), text.size(), 0) < 0) ++refused_;
  took_ += clock.Now() - begin;
  return Look(first, pages);
}

Status BareLoop::Look(std::size_t first, std::size_t pages) {
  auto file = OpenFile("/proc/kpageflags", O_RDONLY);
  if (!file) return Forward(file);
  const SystemClock clock;
  const MonoTime begin = clock.Now();
  for (std::size_t i = 0; i < 2 * pages; ++i) {
    const std::uint64_t frame = (list_.first + (first + i / 2) * list_.step) / PageSize();
    std::uint64_t flags = 0;
    const auto at = static_cast<off_t>(frame * sizeof flags);
    if (::pread(file->get(), &flags, sizeof flags, at) != sizeof flags)
      return FailErrno(errno, "kpageflags");
  }
  looks_took_ += clock.Now() - begin;
  return {};
}

}  // namespace seaward::testd
