#include "guest-agent/preboot/esp.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/file_io.h"
#include "base/uuid.h"

namespace seaward::agent {
namespace {

constexpr std::size_t kMountsCap = 1 << 20;
constexpr std::size_t kAttributeCap = 4096;
constexpr std::uint64_t kSysfsSector = 512;  // of `start` and `size`, whatever the disk's block is
constexpr std::string_view kUsualPlaces[] = {"/boot/efi", "/efi", "/boot"};

struct Mount {
  std::string device;
  std::string folder;
  std::string type;
};

// "36 35 254:1 / /boot/efi rw,relatime shared:1 - vfat /dev/vda1 rw": proc(5), mountinfo.
std::optional<Mount> ParseMount(const std::string& line) {
  std::istringstream words(line);
  std::string id, parent, root, options, word;
  Mount mount;
  if (!(words >> id >> parent >> mount.device >> root >> mount.folder >> options))
    return std::nullopt;
  while (words >> word && word != "-") {
  }
  if (!(words >> mount.type)) return std::nullopt;
  return mount;
}

// The last mount on `folder` is the one that is seen there.
std::optional<Mount> MountAt(const std::string& mountinfo, std::string_view folder) {
  std::istringstream lines(mountinfo);
  std::optional<Mount> found;
  for (std::string line; std::getline(lines, line);)
    if (auto mount = ParseMount(line); mount && mount->folder == folder) found = mount;
  return found;
}

std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  const auto text = ReadTextFile(path, kAttributeCap);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end == text->data()) return std::nullopt;
  return value;
}

// Linux 6.13 and later say it in the uevent; udev's links say it everywhere.
std::optional<Uuid> PartitionUuid(const EspRoots& roots, const std::filesystem::path& partition) {
  const auto uevent = ReadTextFile(partition / "uevent", kAttributeCap);
  if (!uevent) return std::nullopt;
  std::istringstream lines(*uevent);
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kUuid = "PARTUUID=";
    constexpr std::string_view kName = "DEVNAME=";
    if (line.starts_with(kUuid))
      if (auto uuid = ParseUuid(line.substr(kUuid.size()))) return *uuid;
    if (line.starts_with(kName)) name = line.substr(kName.size());
  }
  std::error_code error;
  for (std::filesystem::directory_iterator it(roots.dev + "/disk/by-partuuid", error), end;
       !error && it != end; it.increment(error)) {
    std::error_code unreadable;
    const auto target = std::filesystem::read_symlink(it->path(), unreadable);
    if (unreadable || name.empty() || target.filename() != name) continue;
    if (auto uuid = ParseUuid(it->path().filename().string())) return *uuid;
  }
  return std::nullopt;
}

}  // namespace

Result<Esp> FindEsp(const EspRoots& roots, const std::string& wanted) {
  auto mounts = ReadTextFile(roots.proc + "/self/mountinfo", kMountsCap);
  if (!mounts) return Forward(mounts);
  const auto esp_at = [&mounts](std::string_view folder) -> std::optional<Esp> {
    const auto mount = MountAt(*mounts, folder);
    if (!mount || mount->type != "vfat") return std::nullopt;
    return Esp{mount->folder, mount->device};
  };
  if (wanted != "auto") {
    if (auto esp = esp_at(wanted)) return *esp;
    return Fail(ErrorCode::kInvalid, wanted + " is no mounted FAT file system");
  }
  for (const std::string_view folder : kUsualPlaces) {
    // A mount on demand happens when somebody looks inside.
    std::error_code error;
    (void)std::filesystem::exists(std::string(folder) + "/EFI", error);
  }
  if (auto again = ReadTextFile(roots.proc + "/self/mountinfo", kMountsCap)) mounts = again;
  for (const std::string_view folder : kUsualPlaces)
    if (auto esp = esp_at(folder)) return *esp;
  return Fail(ErrorCode::kNotFound, "no EFI system partition at /boot/efi, /efi or /boot");
}

Result<GptPartition> PartitionOf(const EspRoots& roots, const Esp& esp) {
  std::error_code error;
  const auto partition = std::filesystem::canonical(roots.sys + "/dev/block/" + esp.device, error);
  if (error) return Fail(ErrorCode::kUnsupported, esp.folder + ": no block device");
  const auto number = ReadNumber(partition / "partition");
  const auto start = ReadNumber(partition / "start");
  const auto size = ReadNumber(partition / "size");
  if (!number || !start || !size)
    return Fail(ErrorCode::kUnsupported, esp.folder + ": not on a partition");
  const auto uuid = PartitionUuid(roots, partition);
  if (!uuid) return Fail(ErrorCode::kUnsupported, esp.folder + ": not on a GPT partition");
  const std::uint64_t block =
      ReadNumber(partition.parent_path() / "queue/logical_block_size").value_or(kSysfsSector);
  const std::uint64_t sectors = block >= kSysfsSector ? block / kSysfsSector : 1;
  return GptPartition{static_cast<std::uint32_t>(*number), *start / sectors, *size / sectors,
                      TurnedGuid(uuid->bytes)};
}

}  // namespace seaward::agent
