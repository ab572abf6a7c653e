// Puts what runs before the kernel into place, keeps it up to date, and takes it away: files on the
// ESP, EFI variables, a script of GRUB's. Runs as root in a unit of its own, never in the daemon.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/uuid.h"
#include "guest-agent/preboot/efi_variables.h"
#include "guest-agent/preboot/esp.h"
#include "guest-agent/preboot/list_file.h"

namespace seaward::agent {

enum class BootMethod { kNone, kEfiDriver, kGrub };
std::string_view ToString(BootMethod method);
std::optional<BootMethod> BootMethodNamed(std::string_view word);

struct BootPlaces {
  EspRoots roots;
  std::string esp = "auto";
  std::string list;     // the daemon's (list_file.h); beside it stands the chosen method
  std::string run_dir;  // where the daemon says that it runs
  std::string drivers = "/usr/lib/seaward/efi";
  std::string grub_scripts = "/etc/grub.d";
  Uuid machine;
};

// The daemon's word that this boot came as far as an agent that runs: an empty file in its run_dir.
inline constexpr std::string_view kRunMark = "/running";

class BootInstaller {
 public:
  // `log` outlives it.
  BootInstaller(BootPlaces places, const Logger& log)
      : places_(std::move(places)), variables_(places_.roots.sys), log_(log) {}

  // Any other method's traces go. May be repeated. kDenied under Secure Boot when the firmware
  // would not take it.
  Status Install(BootMethod method);
  Status Uninstall();
  // Carries the list over, puts back what the firmware forgot, and clears the count of failed boots
  // once the daemon runs.
  Status Sync();

  BootMethod InstalledMethod() const;

 private:
  Status InstallDriver();
  Status InstallGrub();
  Status RemoveDriver(const Esp& esp);
  Status RemoveGrub(const Esp& esp);
  Result<std::vector<std::byte>> DriverFor(bool& is_signed) const;
  Status PlaceDriver(const Esp& esp, std::span<const std::byte> driver) const;
  Status RefuseUnderSecureBoot(std::string_view what) const;
  void WarnOfTpm() const;
  Result<StoredList> ListToCarry() const;
  Status CarryList(const Esp& esp) const;
  Status CarryGrubList(const Esp& esp) const;
  Status SyncDriver(const Esp& esp);
  Status SettleCounter(const Esp& esp) const;
  Status RememberMethod(BootMethod method) const;
  std::string MethodPath() const { return places_.list + ".method"; }

  BootPlaces places_;
  EfiVariables variables_;
  const Logger& log_;
};

}  // namespace seaward::agent
