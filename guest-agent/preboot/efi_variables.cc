#include "guest-agent/preboot/efi_variables.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "base/byte_codec.h"
#include "base/file_io.h"

namespace seaward::agent {
namespace {

// Large ones (dbx) reach some 30 KiB; ours are far below.
constexpr std::size_t kVariableCap = 128 << 10;

constexpr std::string_view kReportName = "SeawardReport";
constexpr std::string_view kCounterName = "SeawardBoots";

// File systems without flags (a test's) have nothing to take off.
Status MakeMutable(const std::string& path) {
  auto fd = OpenFile(path, O_RDONLY);
  if (!fd) return Forward(fd);
  int flags = 0;
  if (::ioctl(fd->get(), FS_IOC_GETFLAGS, &flags) != 0)
    return errno == ENOTTY || errno == EOPNOTSUPP ? Status{} : FailErrno(errno, "flags of " + path);
  if ((flags & FS_IMMUTABLE_FL) == 0) return {};
  flags &= ~FS_IMMUTABLE_FL;
  if (::ioctl(fd->get(), FS_IOC_SETFLAGS, &flags) != 0) return FailErrno(errno, "flags of " + path);
  return {};
}

nextboot::Bytes View(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string EfiVariables::PathOf(std::string_view name, std::string_view vendor) const {
  return folder_ + "/" + std::string(name) + "-" + std::string(vendor);
}

bool EfiVariables::Present() const {
  std::error_code error;
  return !std::filesystem::is_empty(folder_, error) && !error;
}

Result<EfiVariable> EfiVariables::Read(std::string_view name, std::string_view vendor) const {
  auto bytes = ReadFile(PathOf(name, vendor), kVariableCap);
  if (!bytes) return Forward(bytes);
  ByteReader reader(*bytes);
  EfiVariable variable{reader.Get<std::uint32_t>(), {}};
  if (!reader.ok()) return Fail(ErrorCode::kCorrupt, PathOf(name, vendor));
  variable.data.assign(bytes->begin() + 4, bytes->end());
  return variable;
}

// One write() call: efivarfs sets the variable with each.
Status EfiVariables::Write(std::string_view name, std::string_view vendor,
                           const EfiVariable& variable) const {
  const std::string path = PathOf(name, vendor);
  if (const auto there = Read(name, vendor)) {
    if (there->attributes == variable.attributes && there->data == variable.data) return {};
    if (auto open = MakeMutable(path); !open) return open;
  }
  std::vector<std::byte> bytes(4 + variable.data.size());
  ByteWriter writer(bytes);
  writer.Put(variable.attributes);
  writer.PutBytes(variable.data);
  auto fd = OpenFile(path, O_WRONLY | O_CREAT, 0644);
  if (!fd) return Forward(fd);
  const ssize_t written = ::write(fd->get(), bytes.data(), bytes.size());
  if (written < 0) return FailErrno(errno, path);
  if (written != static_cast<ssize_t>(bytes.size())) return FailErrno(EIO, path);
  // efivarfs has cut the file to the new value; where it is a plain file, what was longer goes too.
  struct stat now {};
  if (::fstat(fd->get(), &now) == 0 && now.st_size > written &&
      ::ftruncate(fd->get(), written) != 0)
    return FailErrno(errno, path);
  return {};
}

Status EfiVariables::Remove(std::string_view name, std::string_view vendor) const {
  const std::string path = PathOf(name, vendor);
  if (::access(path.c_str(), F_OK) != 0) return {};
  if (auto open = MakeMutable(path); !open) return open;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return FailErrno(errno, path);
  return {};
}

std::vector<std::uint16_t> EfiVariables::Numbered(std::string_view prefix) const {
  std::vector<std::uint16_t> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.size() != prefix.size() + 5 + kGlobalVendor.size() || !name.starts_with(prefix) ||
        !name.ends_with("-" + std::string(kGlobalVendor)))
      continue;
    std::uint16_t number = 0;
    const char* digits = name.data() + prefix.size();
    const auto [stop, wrong] = std::from_chars(digits, digits + 4, number, 16);
    if (wrong == std::errc{} && stop == digits + 4) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::optional<bool> EfiVariables::SecureBoot() const {
  const auto variable = Read("SecureBoot", kGlobalVendor);
  if (!variable || variable->data.empty()) return std::nullopt;
  return variable->data[0] == std::byte{1};
}

Result<nextboot::BootReport> ReadBootReport(const EfiVariables& variables) {
  const auto variable = variables.Read(kReportName, nextboot::kVendorText);
  if (!variable) return Fail(variable.error().code, variable.error().context);
  nextboot::BootReport report;
  if (!nextboot::ReadReport(View(variable->data), report))
    return Fail(ErrorCode::kCorrupt, "the boot driver's report");
  return report;
}

Result<nextboot::BootCounter> ReadBootCounter(const EfiVariables& variables) {
  const auto variable = variables.Read(kCounterName, nextboot::kVendorText);
  if (!variable) return Fail(variable.error().code, variable.error().context);
  nextboot::BootCounter counter;
  if (!nextboot::ReadCounter(View(variable->data), counter))
    return Fail(ErrorCode::kCorrupt, "the boot driver's counter");
  return counter;
}

std::vector<ByteRange> LeftToTheKernel(const nextboot::BootReport& report) {
  std::vector<ByteRange> left;
  for (std::uint32_t i = 0; i < report.run_count; ++i) {
    const nextboot::FateRun& run = report.runs[i];
    const bool given = run.fate == nextboot::PageFate::kBusy ||
                       run.fate == nextboot::PageFate::kRefused ||
                       run.fate == nextboot::PageFate::kSkipped;
    if (!given) continue;
    auto range = ByteRange::Make(GuestPhysAddr{run.first}, run.pages * nextboot::kPageBytes);
    if (range) left.push_back(*range);
  }
  return left;
}

std::string_view ToString(nextboot::BootResult result) {
  switch (result) {
    case nextboot::BootResult::kApplied:
      return "applied";
    case nextboot::BootResult::kNoList:
      return "no_list";
    case nextboot::BootResult::kBadList:
      return "bad_list";
    case nextboot::BootResult::kOtherMachine:
      return "other_machine";
    case nextboot::BootResult::kFailedTwice:
      return "failed_twice";
    case nextboot::BootResult::kNoCounter:
      return "no_counter";
    case nextboot::BootResult::kNoVolume:
      return "no_volume";
  }
  return "unknown";
}

std::string_view ToString(nextboot::PageFate fate) {
  switch (fate) {
    case nextboot::PageFate::kProtected:
      return "protected";
    case nextboot::PageFate::kFirmware:
      return "firmware";
    case nextboot::PageFate::kBusy:
      return "busy";
    case nextboot::PageFate::kAlreadyUnusable:
      return "already_unusable";
    case nextboot::PageFate::kNotMemory:
      return "not_memory";
    case nextboot::PageFate::kRefused:
      return "refused";
    case nextboot::PageFate::kSkipped:
      return "skipped";
  }
  return "unknown";
}

}  // namespace seaward::agent
