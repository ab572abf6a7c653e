#include "guest-agent/retire/page_offliner.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "base/file_io.h"

namespace seaward::agent {

Result<SysfsPageOffliner> SysfsPageOffliner::Open(const std::string& sys) {
  const std::string folder = sys + "/devices/system/memory/";
  auto hard = OpenFile(folder + "hard_offline_page", O_WRONLY);
  if (!hard) return Forward(hard);
  auto soft = OpenFile(folder + "soft_offline_page", O_WRONLY);
  return SysfsPageOffliner(std::move(*hard), soft ? std::move(*soft) : UniqueFd());
}

int SysfsPageOffliner::TakeOffline(Verb verb, GuestPhysAddr page) {
  const UniqueFd& file = verb == Verb::kHard ? hard_ : soft_;
  if (!file.valid()) return EOPNOTSUPP;
  // "0x": a number without it is read as decimal by the kernel.
  std::array<char, 20> text{'0', 'x'};
  const auto end = std::to_chars(text.data() + 2, text.data() + text.size(), page.value, 16).ptr;
  const auto length = static_cast<std::size_t>(end - text.data());
  // pwrite at 0: a plain write would move the file's position with every page.
  const ssize_t n = ::pwrite(file.get(), text.data(), length, 0);
  if (n < 0) return errno;
  return n == static_cast<ssize_t>(length) ? 0 : EIO;
}

}  // namespace seaward::agent
