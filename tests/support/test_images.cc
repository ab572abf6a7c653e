#include "tests/support/test_images.h"

#include <cstdlib>

#include "base/file_io.h"
#include "tests/support/child_process.h"

namespace seaward::testing {
namespace {

constexpr int kNotObtainable = 77;                      // tests/images/fetch-kernel
constexpr auto kFetchLimit = std::chrono::minutes(10);  // a slow mirror, two packages of 100 MB

const std::string kScripts = std::string(SEAWARD_SOURCE_DIR) + "/tests/images/";

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string Arm64BinDir() {
  const char* named = std::getenv("SEAWARD_ARM64_BIN");
  return named != nullptr ? named : std::string(SEAWARD_SOURCE_DIR) + "/build/arm64/bin";
}

std::string HostBinDir() {
  return std::string(SEAWARD_BINARY_DIR) + "/bin";
}

Result<GuestImages> FindGuestImages() {
  if (const char* reason = std::getenv("SEAWARD_NO_KERNEL"); reason != nullptr && *reason != '\0') {
    return Fail(ErrorCode::kUnsupported, reason);
  }
  auto fetched = RunToEnd({kScripts + "fetch-kernel"}, kFetchLimit);
  if (!fetched) return Forward(fetched);
  if (fetched->end.exit_code == kNotObtainable) return Fail(ErrorCode::kUnsupported, fetched->err);
  if (fetched->end.exit_code != 0) return Fail(ErrorCode::kIo, "fetch-kernel: " + fetched->err);
  const std::string kernel = FirstLine(fetched->out);
  const std::string initramfs = std::string(SEAWARD_BINARY_DIR) + "/guest.cpio";
  auto made = RunToEnd({kScripts + "make-guest-initramfs", Arm64BinDir(), initramfs}, kFetchLimit);
  if (!made) return Forward(made);
  if (made->end.exit_code != 0) return Fail(ErrorCode::kIo, "make-guest-initramfs: " + made->err);
  auto version = ReadTextFile(kernel + "/version", 256);
  if (!version) return Forward(version);
  return GuestImages{kernel + "/Image", initramfs, FirstLine(*version)};
}

}  // namespace seaward::testing
