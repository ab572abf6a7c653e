#include "host-notifier/vmm/own_pages.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace seaward::vmm {
namespace {

// linux/mman.h; older C libraries do not know it.
constexpr int kMremapDontUnmap = 4;

// False when the file cannot be read to its end.
bool ForEachLine(const std::string& path, const std::function<void(std::string_view)>& line) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return false;
  std::string rest;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t n = ::read(file.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    rest.append(chunk.data(), static_cast<std::size_t>(n));
    std::size_t start = 0;
    for (std::size_t end; (end = rest.find('\n', start)) != std::string::npos; start = end + 1)
      line(std::string_view(rest).substr(start, end - start));
    rest.erase(0, start);
  }
}

// The words of a line of /proc/PID/maps (proc_pid_maps(5)): range, rights, offset, device, inode,
// and what is mapped.
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  bool private_anonymous = false;
};

std::string_view NextWord(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

std::optional<Mapping> ParseMapping(std::string_view line) {
  Mapping mapping;
  const std::string_view range = NextWord(line);
  const char* const last = range.data() + range.size();
  const auto start = std::from_chars(range.data(), last, mapping.start, 16);
  if (start.ec != std::errc() || start.ptr == last || *start.ptr != '-') return std::nullopt;
  const auto end = std::from_chars(start.ptr + 1, last, mapping.end, 16);
  if (end.ec != std::errc() || end.ptr != last) return std::nullopt;
  const std::string_view rights = NextWord(line);
  NextWord(line);  // offset
  NextWord(line);  // device
  const std::string_view inode = NextWord(line);
  const std::string_view name = NextWord(line);
  // Private huge pages have an inode; so has shared memory, which is not private either.
  mapping.private_anonymous = rights.size() == 4 && rights[3] == 'p' && inode == "0" &&
                              (name.empty() || name == "[heap]" || name.starts_with("[anon:"));
  return mapping;
}

// proc_pid_smaps(5): two letters each.
void JudgeFlags(std::string_view flags, PageToReplace& page) {
  while (!flags.empty()) {
    const std::string_view flag = NextWord(flags);
    if (flag == "um" || flag == "uw" || flag == "ui") page.refusal = HealResult::kUserfaultfd;
    if (flag == "ht" || flag == "pf" || flag == "io")
      page.refusal = HealResult::kNotPrivateAnonymous;
    if (flag == "lo") page.locked = true;
  }
}

bool JudgeMappings(std::span<PageToReplace> pages, const std::string& path) {
  constexpr std::string_view kFlags = "VmFlags:";
  std::vector<PageToReplace*> here;
  std::vector<bool> met(pages.size());
  const bool whole = ForEachLine(path, [&](std::string_view line) {
    if (line.starts_with(kFlags)) {
      for (PageToReplace* page : here) JudgeFlags(line.substr(kFlags.size()), *page);
      return;
    }
    const auto mapping = ParseMapping(line);
    if (!mapping) return;
    here.clear();
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (pages[i].address.value - mapping->start >= mapping->end - mapping->start) continue;
      met[i] = true;
      here.push_back(&pages[i]);
      if (!mapping->private_anonymous) pages[i].refusal = HealResult::kNotPrivateAnonymous;
    }
  });
  for (std::size_t i = 0; whole && i < pages.size(); ++i)
    if (!met[i]) pages[i].refusal = HealResult::kNotMapped;
  return whole;
}

// An io_uring without registered buffers pins nothing for longer than a request.
bool HasRegisteredBuffers(const std::string& fdinfo) {
  constexpr std::string_view kBuffers = "UserBufs:";
  bool none = false;
  const bool whole = ForEachLine(fdinfo, [&](std::string_view line) {
    if (!line.starts_with(kBuffers)) return;
    line.remove_prefix(kBuffers.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    none = line == "0";
  });
  return !whole || !none;
}

// Devices that pin memory for as long as they are open: VFIO, iommufd, vDPA, RDMA.
bool PinsMemory(std::string_view target) {
  return target.starts_with("/dev/vfio/") || target.starts_with("anon_inode:[vfio") ||
         target == "/dev/iommu" || target.starts_with("/dev/vhost-vdpa") ||
         target.starts_with("/dev/infiniband/");
}

std::optional<HealResult> JudgeDescriptor(const std::string& proc_self, const char* number,
                                          std::string_view target) {
  if (target.starts_with("anon_inode:[userfaultfd]")) return HealResult::kUserfaultfd;
  if (PinsMemory(target)) return HealResult::kVfio;
  if (target.starts_with("anon_inode:[io_uring]") &&
      HasRegisteredBuffers(proc_self + "/fdinfo/" + number))
    return HealResult::kIoUring;
  return std::nullopt;
}

// Why no page of this process may be replaced.
std::optional<HealResult> JudgeDescriptors(const std::string& proc_self) {
  const std::string path = proc_self + "/fd";
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
  if (!folder) return HealResult::kFailed;
  while (const dirent* entry = ::readdir(folder.get())) {
    std::array<char, 256> target;  // a longer name is none of those that matter
    const ssize_t n =
        ::readlinkat(::dirfd(folder.get()), entry->d_name, target.data(), target.size());
    if (n <= 0) continue;
    const auto refusal = JudgeDescriptor(
        proc_self, entry->d_name, std::string_view(target.data(), static_cast<std::size_t>(n)));
    if (refusal) return refusal;
  }
  return std::nullopt;
}

}  // namespace

void JudgePages(std::span<PageToReplace> pages, Look look, const std::string& proc_self) {
  const std::string mappings = proc_self + (look == Look::kThorough ? "/smaps" : "/maps");
  std::optional<HealResult> all = JudgeDescriptors(proc_self);
  if (!JudgeMappings(pages, mappings)) all = HealResult::kFailed;
  for (PageToReplace& page : pages)
    if (!page.refusal) page.refusal = all;
}

int SetAside(const PageToReplace& page, std::size_t bytes) noexcept {
  void* const address = std::bit_cast<void*>(page.address.value);
  // Moving takes the lock from the whole mapping: the page becomes a mapping of its own first.
  if (page.locked && ::munlock(address, bytes) != 0) return errno;
  // Not mremap(3): it leaves the new address out, which the kernel reads: 0 = anywhere.
  const long moved =
      ::syscall(SYS_mremap, address, bytes, bytes, MREMAP_MAYMOVE | kMremapDontUnmap, nullptr);
  void* const aside = reinterpret_cast<void*>(moved);
  const int failed = moved == -1 ? errno : 0;
  if (failed == 0) {
    // A core dump would read it, a child would share it.
    ::madvise(aside, bytes, MADV_DONTDUMP);
    ::madvise(aside, bytes, MADV_DONTFORK);
  }
  // A page that cannot be locked again is as good as any other.
  if (page.locked) ::mlock(address, bytes);
  return failed;
}

}  // namespace seaward::vmm
