// EFI variables through efivarfs, and the agent's two among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "guest-agent/nextboot/boot_report.h"

namespace seaward::agent {

inline constexpr std::string_view kGlobalVendor = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

struct EfiVariable {
  std::uint32_t attributes = 0;
  std::vector<std::byte> data;
};
inline constexpr std::uint32_t kPersistentVariable = 7;  // non-volatile, boot and runtime access

class EfiVariables {
 public:
  // `sys` is "/sys" outside of tests.
  explicit EfiVariables(const std::string& sys) : folder_(sys + "/firmware/efi/efivars") {}

  // False: no UEFI, or efivarfs is not mounted.
  bool Present() const;
  // kNotFound when there is none.
  Result<EfiVariable> Read(std::string_view name, std::string_view vendor) const;
  // Leaves a variable alone that says the same already: flash wears out. The kernel guards most
  // variables with the immutable flag, which is taken off for the write (CAP_LINUX_IMMUTABLE).
  Status Write(std::string_view name, std::string_view vendor, const EfiVariable& variable) const;
  // Not to be there is success.
  Status Remove(std::string_view name, std::string_view vendor) const;
  // Of the global vendor, that begin with `prefix` and four hex digits.
  std::vector<std::uint16_t> Numbered(std::string_view prefix) const;

  // Nothing when the firmware does not say.
  std::optional<bool> SecureBoot() const;

 private:
  std::string PathOf(std::string_view name, std::string_view vendor) const;
  std::string folder_;
};

// What the driver did before this boot; kNotFound when it did not run.
Result<nextboot::BootReport> ReadBootReport(const EfiVariables& variables);
// The listed pages that the kernel was given after all, and may be able to give up.
std::vector<ByteRange> LeftToTheKernel(const nextboot::BootReport& report);
Result<nextboot::BootCounter> ReadBootCounter(const EfiVariables& variables);

std::string_view ToString(nextboot::BootResult result);
std::string_view ToString(nextboot::PageFate fate);

}  // namespace seaward::agent
