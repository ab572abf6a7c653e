#include "tests/support/testd/page_kinds.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/file_io.h"

namespace seaward::testd {
namespace {

constexpr char kDisk[] = "/disk";
constexpr char kDiskImage[] = "/disk.img";  // made by tests/images/make-guest-initramfs
constexpr char kLoop[] = "/dev/loop0";
// Of the processor's larger page: 2 MiB with 4 KiB pages, 32 MiB with 16 KiB ones.
constexpr std::uint64_t kHugeBytes4k = 2U << 20;

std::uint64_t LargePageBytes() {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return kHugeBytes4k * (page / 4096) * (page / 4096);
}

Result<KindOfMemory> MapFile(const std::string& folder, std::uint64_t bytes) {
  const std::string path = folder + "/pages-" + std::to_string(::getpid());
  auto file = OpenFile(path, O_RDWR | O_CREAT | O_TRUNC);
  if (!file) return Forward(file);
  if (::ftruncate(file->get(), static_cast<off_t>(bytes)) != 0) return FailErrno(errno, path);
  void* area = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0);
  if (area == MAP_FAILED) return FailErrno(errno, path);
  return KindOfMemory{static_cast<std::byte*>(area), file->Release()};
}

Result<KindOfMemory> MapPrivate(std::uint64_t bytes, int more_flags) {
  void* area = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | more_flags, -1, 0);
  if (area == MAP_FAILED) return FailErrno(errno, "mmap");
  return KindOfMemory{static_cast<std::byte*>(area), -1};
}

// Aligned, so that one large page can hold all of it.
Result<KindOfMemory> MapTransparentHuge() {
  const std::uint64_t large = LargePageBytes();
  auto memory = MapPrivate(2 * large, MAP_NORESERVE);
  if (!memory) return memory;
  const auto at = reinterpret_cast<std::uintptr_t>(memory->area);
  memory->area += (large - at % large) % large;
  if (::madvise(memory->area, large, MADV_HUGEPAGE) != 0)
    return FailErrno(errno, "no transparent huge pages");
  return memory;
}

Status LoadModuleFile(const std::string& path) {
  auto file = OpenFile(path, O_RDONLY);
  if (!file) return Forward(file);
  if (::syscall(SYS_finit_module, file->get(), "", 0) != 0 && errno != EEXIST)
    return FailErrno(errno, path);
  return {};
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error))
    if (it->is_regular_file()) paths.push_back(it->path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

Status AttachLoop() {
  auto loop = OpenFile(kLoop, O_RDWR);
  if (!loop) return Forward(loop);
  auto image = OpenFile(kDiskImage, O_RDWR);
  if (!image) return Forward(image);
  if (::ioctl(loop->get(), LOOP_SET_FD, image->get()) != 0 && errno != EBUSY)
    return FailErrno(errno, kLoop);
  return {};
}

}  // namespace

Result<KindOfMemory> MapKind(const std::string& kind, std::uint64_t bytes) {
  if (kind == "anonymous") {
    auto memory = MapPrivate(bytes, MAP_NORESERVE);
    if (memory) ::madvise(memory->area, bytes, MADV_NOHUGEPAGE);
    return memory;
  }
  if (kind == "tmpfs") return MapFile("/tmp", bytes);
  if (kind == "file") return MapFile(kDisk, bytes);
  if (kind == "thp") return MapTransparentHuge();
  if (kind == "hugetlb") return MapPrivate(LargePageBytes(), MAP_HUGETLB);
  return Fail(ErrorCode::kInvalid, "anonymous | tmpfs | file | thp | hugetlb");
}

Status MakeClean(const KindOfMemory& memory, std::uint64_t bytes) {
  if (::msync(memory.area, bytes, MS_SYNC) != 0) return FailErrno(errno, "msync");
  if (::fsync(memory.file) != 0) return FailErrno(errno, "fsync");
  return {};
}

Status MountDisk() {
  ::mkdir(kDisk, 0755);
  // What a kernel has built in is not among the modules.
  for (const char* module : {"loop", "ext4"}) {
    auto loaded = LoadModule(module);
    if (!loaded && loaded.error().code != ErrorCode::kNotFound) return loaded;
  }
  if (auto attached = AttachLoop(); !attached) return attached;
  if (::mount(kLoop, kDisk, "ext4", 0, nullptr) != 0 && errno != EBUSY)
    return FailErrno(errno, kDisk);
  return {};
}

// The file of a module lies beside those that it needs: "03-NAME.ko" after "01-...".
Status LoadModule(const std::string& name) {
  const std::vector<std::string> paths = FilesIn("/modules/" + name);
  if (paths.empty()) return Fail(ErrorCode::kNotFound, "no module " + name);
  for (const std::string& path : paths)
    if (auto loaded = LoadModuleFile(path); !loaded) return loaded;
  return {};
}

Status LoadBootModules() {
  for (const std::string& path : FilesIn("/modules/boot"))
    if (auto loaded = LoadModuleFile(path); !loaded) return loaded;
  return {};
}

}  // namespace seaward::testd
