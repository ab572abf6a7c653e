#include "host-notifier/hostpage/frame_search.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <string_view>

#include "base/byte_codec.h"
#include "base/file_io.h"

namespace seaward {
namespace {

// Documentation/admin-guide/mm/pagemap.rst: bit 63 = present, bits 0-54 = the frame's number; bit
// 62 = swapped, then bits 0-4 = the swap type and bits 5-54 the offset.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kFrameMask = (std::uint64_t{1} << 55) - 1;
constexpr unsigned kSwapTypeBits = 5;
constexpr std::uint64_t kSwapTypeMask = (1U << kSwapTypeBits) - 1;
// The types of real swap files count from 0; the kernel keeps the last of the 32 for entries that
// name a frame (include/linux/swap.h: SWP_HWPOISON and the migration types, from 22 on in every
// configuration). Nobody has twenty swap files.
constexpr std::uint64_t kFirstFrameType = 20;

constexpr std::size_t kMostMapsBytes = std::size_t{16} << 20;
constexpr std::size_t kEntryBytes = 8;
constexpr std::size_t kEntriesPerRead = 8192;  // 64 KiB of entries: 32 MiB of memory

struct Mapping {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

bool TakeNumber(std::string_view& text, std::uint64_t& value) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return true;
}

// "7f00-8000 rw-p ..." of /proc/PID/maps; nothing for what no process can have memory in.
bool ParseMapping(std::string_view line, Mapping& mapping) {
  if (!TakeNumber(line, mapping.first) || !line.starts_with('-')) return false;
  line.remove_prefix(1);
  if (!TakeNumber(line, mapping.end)) return false;
  constexpr std::uint64_t kTop = std::uint64_t{1} << 63;  // vsyscall is above
  return mapping.first < mapping.end && mapping.end < kTop;
}

class Search {
 public:
  Search(int pagemap, PageFrame frame, const std::function<bool()>& give_up,
         const FrameSearchLimits& limits)
      : pagemap_(pagemap), frame_(frame), give_up_(give_up), limits_(limits) {}

  Status Look(const Mapping& mapping) {
    const std::uint64_t last = (mapping.end - 1) / page_size_;
    for (std::uint64_t page = mapping.first / page_size_; page <= last;) {
      const auto count = std::min<std::uint64_t>(kEntriesPerRead, last - page + 1);
      if (entries_read_ + count > limits_.entries || give_up_())
        return Fail(ErrorCode::kTimeout, "the search for a frame takes too long");
      const ssize_t n = ::pread(pagemap_, buffer_.data(), count * kEntryBytes,
                                static_cast<off_t>(page * kEntryBytes));
      // A mapping that went away meanwhile has no entries any more.
      if (n < static_cast<ssize_t>(kEntryBytes)) return {};
      const std::uint64_t read = static_cast<std::uint64_t>(n) / kEntryBytes;
      Examine(page, read);
      entries_read_ += read;
      page += read;
    }
    return {};
  }
  std::vector<HostVirtAddr>& places() { return places_; }

 private:
  void Examine(std::uint64_t page, std::uint64_t count) {
    const std::span<const std::byte> entries(buffer_.data(), count * kEntryBytes);
    ByteReader in(entries);
    for (std::uint64_t i = 0; i < count; ++i)
      if (EntryNames(in.Get<std::uint64_t>(), frame_) && places_.size() < limits_.places)
        places_.push_back(HostVirtAddr{(page + i) * page_size_});
  }

  const int pagemap_;
  const PageFrame frame_;
  const std::function<bool()>& give_up_;
  const FrameSearchLimits limits_;
  const std::uint64_t page_size_ = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kEntriesPerRead * kEntryBytes);
  std::vector<HostVirtAddr> places_;
  std::uint64_t entries_read_ = 0;
};

}  // namespace

bool EntryNames(std::uint64_t entry, PageFrame frame) {
  if (frame.number == 0) return false;  // what who is not root is shown
  if ((entry & kPresent) != 0) return (entry & kFrameMask) == frame.number;
  if ((entry & kSwapped) == 0 || (entry & kSwapTypeMask) < kFirstFrameType) return false;
  return (entry & kFrameMask) >> kSwapTypeBits == frame.number;
}

Result<std::vector<HostVirtAddr>> FindFrame(const ProcessIdentity& process, PageFrame frame,
                                            const std::function<bool()>& give_up,
                                            const FrameSearchLimits& limits,
                                            const std::string& proc_root) {
  const std::string folder = proc_root + "/" + std::to_string(process.pid);
  const auto pagemap = OpenFile(folder + "/pagemap", O_RDONLY);
  const auto maps = ReadTextFile(folder + "/maps", kMostMapsBytes);
  // The open file stays with the process that it was opened for.
  const auto now = IdentifyProcess(process.pid, proc_root);
  if (!now || *now != process)
    return Fail(ErrorCode::kNotFound, "pid " + std::to_string(process.pid) + " is gone");
  if (!pagemap) return tl::unexpected<Error>(pagemap.error());
  if (!maps) return tl::unexpected<Error>(maps.error());
  Search search(pagemap->get(), frame, give_up, limits);
  for (std::size_t at = 0; at < maps->size();) {
    const std::size_t end = std::min(maps->find('\n', at), maps->size());
    Mapping mapping;
    if (ParseMapping(std::string_view(*maps).substr(at, end - at), mapping))
      if (auto looked = search.Look(mapping); !looked) return Forward(looked);
    at = end + 1;
  }
  return std::move(search.places());
}

}  // namespace seaward
