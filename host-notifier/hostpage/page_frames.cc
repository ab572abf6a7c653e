#include "host-notifier/hostpage/page_frames.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/byte_codec.h"
#include "base/file_io.h"

namespace seaward {
namespace {

// Documentation/admin-guide/mm/pagemap.rst: bit 63 = present, bits 0-54 = the frame's number.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kFrameMask = (std::uint64_t{1} << 55) - 1;

std::uint64_t PageSize() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> EntryOf(const ProcessIdentity& process, HostVirtAddr address,
                                     const std::string& proc_root) {
  if (address.value == 0) return std::nullopt;
  const auto pagemap =
      OpenFile(proc_root + "/" + std::to_string(process.pid) + "/pagemap", O_RDONLY);
  // The open file stays with the process that it was opened for: this check holds from here on.
  const auto now = IdentifyProcess(process.pid, proc_root);
  if (!pagemap || !now || *now != process) return std::nullopt;
  std::array<std::byte, 8> bytes;
  const auto offset = static_cast<off_t>(address.value / PageSize() * bytes.size());
  if (::pread(pagemap->get(), bytes.data(), bytes.size(), offset) != 8) return std::nullopt;
  return ByteReader(bytes).Get<std::uint64_t>();
}

}  // namespace

std::optional<PageFrame> FrameBehind(const ProcessIdentity& process, HostVirtAddr address,
                                     const std::string& proc_root) {
  const auto entry = EntryOf(process, address, proc_root);
  if (!entry || (*entry & kPresent) == 0 || (*entry & kFrameMask) == 0) return std::nullopt;
  return PageFrame{*entry & kFrameMask};
}

bool IsReplaced(const ProcessIdentity& process, HostVirtAddr address, PageFrame bad,
                const std::string& proc_root) {
  const auto entry = EntryOf(process, address, proc_root);
  if (!entry || (*entry & kSwapped) != 0) return false;
  if ((*entry & kPresent) == 0) return true;
  const std::uint64_t frame = *entry & kFrameMask;
  return frame != 0 && frame != bad.number;
}

Status RetireFrame(PageFrame frame, const std::string& path) {
  auto file = OpenFile(path, O_WRONLY);
  if (!file) return Forward(file);
  const std::string text = FormatAddress(frame.number * PageSize());
  if (::write(file->get(), text.data(), text.size()) >= 0 || errno == EHWPOISON) return {};
  return FailErrno(errno, path + ": " + text);
}

}  // namespace seaward
