#include "guest-agent/preboot/boot_installer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file_io.h"
#include "guest-agent/preboot/driver_entry.h"
#include "guest-agent/preboot/grub_list.h"
#include "guest-agent/preboot/pe_image.h"

namespace seaward::agent {
namespace {

namespace fs = std::filesystem;

#if defined(__aarch64__)
constexpr std::string_view kDriverFile = "seaward-aa64.efi";
constexpr std::uint16_t kMachine = kPeArm64;
#else
constexpr std::string_view kDriverFile = "seaward-x64.efi";
constexpr std::uint16_t kMachine = kPeX64;
#endif

constexpr std::size_t kDriverCap = 1 << 20;
constexpr std::string_view kEspFolder = "/EFI/seaward";
constexpr std::string_view kListFile = "/EFI/seaward/pages.lst";
constexpr std::string_view kOldListFile = "/EFI/seaward/pages.old";
constexpr std::string_view kGrubFile = "/EFI/seaward/badram.cfg";
constexpr std::string_view kGrubScript = "/06_seaward";
// systemd-boot loads every *aa64.efi or *x64.efi from there: with the firmware's variables lost, a
// machine that it boots is still protected.
constexpr std::string_view kSystemdBoot = "/EFI/systemd";
constexpr std::string_view kSystemdDrivers = "/EFI/systemd/drivers";
constexpr std::string_view kCounterName = "SeawardBoots";

std::string On(const Esp& esp, std::string_view path) {
  return esp.folder + std::string(path);
}

Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return FailErrno(error.value(), path);
  return {};
}

Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return FailErrno(errno, path);
  return {};
}

Status RemoveAll(const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (auto gone = RemoveFile(path); !gone) return gone;
  return {};
}

// The ESP is written to as seldom as can be: it has no journal.
Status ReplaceChanged(const std::string& path, std::span<const std::byte> bytes) {
  const auto there = ReadFile(path, kDriverCap);
  if (there && std::equal(there->begin(), there->end(), bytes.begin(), bytes.end())) return {};
  return ReplaceFile(path, bytes, 0644);
}

// A file is on the disk when ReplaceFile returns, the folder above its folder is not: FAT has no
// journal that would bring one along with the other.
Status FlushEsp(const Esp& esp) {
  auto fd = OpenFile(esp.folder, O_RDONLY | O_DIRECTORY);
  if (!fd) return Forward(fd);
  if (::syncfs(fd->get()) != 0) return FailErrno(errno, "sync " + esp.folder);
  return {};
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

std::string_view ToString(BootMethod method) {
  switch (method) {
    case BootMethod::kNone:
      return "none";
    case BootMethod::kEfiDriver:
      return "efi-driver";
    case BootMethod::kGrub:
      return "grub";
  }
  return "none";
}

std::optional<BootMethod> BootMethodNamed(std::string_view word) {
  for (const BootMethod method : {BootMethod::kNone, BootMethod::kEfiDriver, BootMethod::kGrub})
    if (word == ToString(method)) return method;
  return std::nullopt;
}

BootMethod BootInstaller::InstalledMethod() const {
  auto text = ReadTextFile(MethodPath(), 64);
  if (!text) return BootMethod::kNone;
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return BootMethodNamed(*text).value_or(BootMethod::kNone);
}

Status BootInstaller::RememberMethod(BootMethod method) const {
  if (method == BootMethod::kNone) return RemoveFile(MethodPath());
  if (auto made = MakeFolder(fs::path(MethodPath()).parent_path()); !made) return made;
  const std::string text = std::string(ToString(method)) + "\n";
  return ReplaceFile(MethodPath(), BytesOf(text));
}

// --- install ---

Status BootInstaller::Install(BootMethod method) {
  switch (method) {
    case BootMethod::kNone:
      return Uninstall();
    case BootMethod::kEfiDriver:
      return InstallDriver();
    case BootMethod::kGrub:
      return InstallGrub();
  }
  return {};
}

Status BootInstaller::RefuseUnderSecureBoot(std::string_view what) const {
  if (!variables_.SecureBoot().value_or(false)) return {};
  return Fail(ErrorCode::kDenied, fmt::format("Secure Boot is on, and {}", what));
}

void BootInstaller::WarnOfTpm() const {
  if (::access((places_.roots.sys + "/class/tpm/tpm0").c_str(), F_OK) != 0) return;
  log_.Warning("tpm_present",
               {{"why",
                 "what runs before the kernel is measured: disk keys that are sealed to the "
                 "boot may have to be sealed anew"}});
}

Result<std::vector<std::byte>> BootInstaller::DriverFor(bool& is_signed) const {
  const std::string path = places_.drivers + "/" + std::string(kDriverFile);
  auto driver = ReadFile(path, kDriverCap);
  if (!driver) return Forward(driver);
  const auto image = ReadPeImage(*driver);
  if (!image) return Fail(image.error().code, path + ": " + image.error().context);
  if (image->machine != kMachine)
    return Fail(ErrorCode::kInvalid, path + ": of another architecture");
  is_signed = image->is_signed;
  return driver;
}

Status BootInstaller::PlaceDriver(const Esp& esp, std::span<const std::byte> driver) const {
  if (auto made = MakeFolder(On(esp, kEspFolder)); !made) return made;
  const std::string name = "/" + std::string(kDriverFile);
  if (auto placed = ReplaceChanged(On(esp, kEspFolder) + name, driver); !placed) return placed;
  if (!fs::is_directory(On(esp, kSystemdBoot))) return {};
  if (auto made = MakeFolder(On(esp, kSystemdDrivers)); !made) return made;
  return ReplaceChanged(On(esp, kSystemdDrivers) + name, driver);
}

Status BootInstaller::InstallDriver() {
  if (!variables_.Present())
    return Fail(ErrorCode::kUnsupported,
                "no EFI variables: not booted by UEFI, or efivarfs is not mounted");
  if (places_.machine.IsNil())
    return Fail(ErrorCode::kUnsupported, "this machine has no SMBIOS UUID to know its list by");
  bool is_signed = false;
  auto driver = DriverFor(is_signed);
  if (!driver) return Forward(driver);
  if (!is_signed)
    if (auto may = RefuseUnderSecureBoot("the driver is not signed"); !may) return may;
  auto esp = FindEsp(places_.roots, places_.esp);
  if (!esp) return Forward(esp);
  auto partition = PartitionOf(places_.roots, *esp);
  if (!partition) return Forward(partition);
  WarnOfTpm();
  if (auto placed = PlaceDriver(*esp, *driver); !placed) return placed;
  if (auto carried = CarryList(*esp); !carried) return carried;
  // Before the firmware is told of it.
  if (auto flushed = FlushEsp(*esp); !flushed) return flushed;
  // A new start for a list that had been given up.
  if (auto cleared = variables_.Remove(kCounterName, nextboot::kVendorText); !cleared)
    return cleared;
  auto written =
      RegisterDriver(variables_, *partition, "\\EFI\\seaward\\" + std::string(kDriverFile));
  if (!written) return Forward(written);
  if (auto gone = RemoveGrub(*esp); !gone) return gone;
  log_.Info("boot_method_installed", {{"method", "efi-driver"},
                                      {"esp", esp->folder},
                                      {"signed", is_signed ? "yes" : "no"},
                                      {"changed", *written ? "yes" : "no"}});
  return RememberMethod(BootMethod::kEfiDriver);
}

Status BootInstaller::InstallGrub() {
  if (auto may = RefuseUnderSecureBoot("GRUB's lockdown refuses badram"); !may) return may;
  if (places_.machine.IsNil())
    return Fail(ErrorCode::kUnsupported, "this machine has no SMBIOS UUID to know its list by");
  if (!fs::is_directory(places_.grub_scripts))
    return Fail(ErrorCode::kNotFound, places_.grub_scripts + ": no GRUB here");
  auto esp = FindEsp(places_.roots, places_.esp);
  if (!esp) return Forward(esp);
  WarnOfTpm();
  if (auto gone = RemoveDriver(*esp); !gone) return gone;
  if (auto made = MakeFolder(On(*esp, kEspFolder)); !made) return made;
  if (auto carried = CarryGrubList(*esp); !carried) return carried;
  const std::string script = GrubScript();
  if (auto placed =
          ReplaceFile(places_.grub_scripts + std::string(kGrubScript), BytesOf(script), 0755);
      !placed)
    return placed;
  log_.Info("boot_method_installed",
            {{"method", "grub"}, {"esp", esp->folder}, {"next", "run update-grub"}});
  return RememberMethod(BootMethod::kGrub);
}

// --- uninstall ---

Status BootInstaller::RemoveDriver(const Esp& esp) {
  if (variables_.Present()) {
    if (auto gone = UnregisterDriver(variables_); !gone) return gone;
    if (auto gone = variables_.Remove(kCounterName, nextboot::kVendorText); !gone) return gone;
  }
  const std::string name = "/" + std::string(kDriverFile);
  if (auto gone = RemoveAll({On(esp, kEspFolder) + name, On(esp, kSystemdDrivers) + name,
                             On(esp, kListFile), On(esp, kOldListFile)});
      !gone)
    return gone;
  // Folders that others use as well stay.
  (void)::rmdir(On(esp, kSystemdDrivers).c_str());
  (void)::rmdir(On(esp, kEspFolder).c_str());
  return {};
}

Status BootInstaller::RemoveGrub(const Esp& esp) {
  if (auto gone = RemoveAll({On(esp, kGrubFile), places_.grub_scripts + std::string(kGrubScript)});
      !gone)
    return gone;
  (void)::rmdir(On(esp, kEspFolder).c_str());
  return {};
}

Status BootInstaller::Uninstall() {
  auto esp = FindEsp(places_.roots, places_.esp);
  if (!esp) {
    if (InstalledMethod() == BootMethod::kNone) return {};
    return Forward(esp);
  }
  if (auto gone = RemoveDriver(*esp); !gone) return gone;
  if (auto gone = RemoveGrub(*esp); !gone) return gone;
  if (auto flushed = FlushEsp(*esp); !flushed) return flushed;
  log_.Info("boot_method_removed", {{"esp", esp->folder}});
  return RememberMethod(BootMethod::kNone);
}

// --- sync ---

Result<StoredList> BootInstaller::ListToCarry() const {
  auto list = LoadList(places_.list);
  if (list && list->machine != places_.machine)
    return Fail(ErrorCode::kInvalid,
                places_.list + ": of another machine, " + FormatUuid(list->machine));
  return list;
}

// FAT knows no atomic replacement: a power cut may leave the new file, the old one, or a torn one.
// A torn one fails its checksum, and the list before it is there under another name.
Status BootInstaller::CarryList(const Esp& esp) const {
  auto list = ListToCarry();
  if (!list && list.error().code == ErrorCode::kNotFound) return {};
  if (!list) return Forward(list);
  auto bytes = EncodeList(*list);
  if (!bytes) return Forward(bytes);
  const std::string path = On(esp, kListFile);
  if (const auto there = ReadFile(path, nextboot::kMaxListBytes)) {
    if (*there == *bytes) return {};
    if (DecodeList(*there))
      if (auto kept = ReplaceChanged(On(esp, kOldListFile), *there); !kept) return kept;
  }
  if (auto made = MakeFolder(On(esp, kEspFolder)); !made) return made;
  if (auto written = ReplaceFile(path, *bytes, 0644); !written) return written;
  if (auto flushed = FlushEsp(esp); !flushed) return flushed;
  log_.Info("next_boot_list_carried",
            {{"ranges", fmt::format("{}", list->ranges.size())}, {"esp", esp.folder}});
  return {};
}

Status BootInstaller::CarryGrubList(const Esp& esp) const {
  auto list = ListToCarry();
  if (!list && list.error().code != ErrorCode::kNotFound) return Forward(list);
  const GrubList grub = RenderGrubList(list.value_or(StoredList{places_.machine, {}, {}}));
  if (grub.left_out > 0)
    log_.Warning("next_boot_pages_left_out",
                 {{"pages", fmt::format("{}", grub.left_out)},
                  {"why", "more than GRUB takes, or perhaps the firmware's"}});
  if (auto placed = ReplaceChanged(On(esp, kGrubFile), BytesOf(grub.text)); !placed) return placed;
  return FlushEsp(esp);
}

// A list that was given up stays so until it changes: cleared, it would cost two boots each time.
Status BootInstaller::SettleCounter(const Esp& esp) const {
  if (::access((places_.run_dir + std::string(kRunMark)).c_str(), F_OK) != 0) return {};
  const auto report = ReadBootReport(variables_);
  if (report && report->result == nextboot::BootResult::kFailedTwice) {
    const auto bytes = ReadFile(On(esp, kListFile), nextboot::kMaxListBytes);
    nextboot::BootListView list;
    const bool same = bytes &&
                      list.Parse({reinterpret_cast<const std::uint8_t*>(bytes->data()),
                                  bytes->size()}) == nextboot::ListError::kNone &&
                      list.checksum() == report->list_checksum;
    if (same) return {};
  }
  return variables_.Remove(kCounterName, nextboot::kVendorText);
}

Status BootInstaller::SyncDriver(const Esp& esp) {
  if (auto carried = CarryList(esp); !carried) return carried;
  if (auto settled = SettleCounter(esp); !settled) return settled;
  // The firmware's variables can be lost: a new NVRAM file, a machine that was moved.
  auto partition = PartitionOf(places_.roots, esp);
  if (!partition) return Forward(partition);
  const bool secure = variables_.SecureBoot().value_or(false);
  if (secure && !DriverRegistered(variables_))
    return RefuseUnderSecureBoot("the firmware forgot the driver; see install-boot");
  auto written =
      RegisterDriver(variables_, *partition, "\\EFI\\seaward\\" + std::string(kDriverFile));
  if (!written) return Forward(written);
  if (*written)
    log_.Warning("boot_driver_registered_again",
                 {{"why", "the firmware had forgotten it: this boot was perhaps not protected"}});
  return {};
}

Status BootInstaller::Sync() {
  const BootMethod method = InstalledMethod();
  if (method == BootMethod::kNone) return {};
  auto esp = FindEsp(places_.roots, places_.esp);
  if (!esp) return Forward(esp);
  return method == BootMethod::kGrub ? CarryGrubList(*esp) : SyncDriver(*esp);
}

}  // namespace seaward::agent
