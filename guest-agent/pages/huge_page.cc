#include "guest-agent/pages/huge_page.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace seaward::agent {

std::vector<std::uint64_t> HugePageSizes(const std::string& sys) {
  std::vector<std::uint64_t> sizes;
  std::error_code error;
  constexpr std::string_view kPrefix = "hugepages-";
  for (std::filesystem::directory_iterator it(sys + "/kernel/mm/hugepages", error), end;
       !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::uint64_t kib = 0;
    if (name.starts_with(kPrefix))
      std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), kib);
    if (kib != 0) sizes.push_back(kib * 1024);
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

// The kernel does not say how large a compound page is; it ends where a frame is no tail.
std::optional<HugePage> HugePageAt(GuestMemory& memory, PageFrame frame, PageSize page_size,
                                   const std::vector<std::uint64_t>& sizes) {
  const auto head = HugePageHead(memory, frame);
  if (!head) return std::nullopt;
  const auto flags = memory.FlagsOf(*head);
  if (!flags) return std::nullopt;
  for (const std::uint64_t size : sizes) {
    const auto behind = memory.FlagsOf(PageFrame{head->number + size / page_size.bytes});
    if (behind && behind->Has(PageFlag::kHugetlb) && behind->Has(PageFlag::kCompoundTail)) continue;
    const auto range = ByteRange::Make(AddressOf(*head, page_size), size);
    if (!range || !range->Contains(AddressOf(frame, page_size))) return std::nullopt;
    return HugePage{*range, flags->Has(PageFlag::kMapped)};
  }
  return std::nullopt;
}

}  // namespace seaward::agent
