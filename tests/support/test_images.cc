#include "tests/support/test_images.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/file_io.h"
#include "tests/support/child_process.h"

namespace seaward::testing {
namespace {

constexpr int kNotObtainable = 77;                      // tests/images/fetch-kernel
constexpr auto kFetchLimit = std::chrono::minutes(10);  // a slow mirror, two packages of 100 MB
constexpr auto kImageLimit = std::chrono::minutes(30);  // packages of 150 MB, two initramfs

#ifdef __x86_64__
constexpr bool kBuiltForX86 = true;
#else
constexpr bool kBuiltForX86 = false;
#endif

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

namespace {

void RunOnX86(GuestImages& images) {
  images.cpu = "qemu64";
  images.machine = GuestMachine::kX86;
}

// `fetch`: a script of tests/images and its arguments. `name`: of the initramfs; with `modules` it
// holds some of the kernel's. `programs`: the folder of the agent and the command server.
Result<GuestImages> MakeImages(std::vector<std::string> fetch, const std::string& name,
                               bool modules, const std::string& overlay = {},
                               const std::string& programs = Arm64BinDir()) {
  if (const char* reason = std::getenv("SEAWARD_NO_KERNEL"); reason != nullptr && *reason != '\0') {
    return Fail(ErrorCode::kUnsupported, reason);
  }
  fetch[0] = kScripts + fetch[0];
  auto fetched = RunToEnd(fetch, kFetchLimit);
  if (!fetched) return Forward(fetched);
  if (fetched->end.exit_code == kNotObtainable) return Fail(ErrorCode::kUnsupported, fetched->err);
  if (fetched->end.exit_code != 0) return Fail(ErrorCode::kIo, fetch[0] + ": " + fetched->err);
  const std::string kernel = FirstLine(fetched->out);
  const std::string initramfs = std::string(SEAWARD_BINARY_DIR) + "/" + name;
  std::vector<std::string> make{kScripts + "make-guest-initramfs", programs, initramfs};
  if (modules) make.push_back(kernel);
  if (!overlay.empty()) make.push_back(overlay);
  auto made = RunToEnd(make, kFetchLimit);
  if (!made) return Forward(made);
  if (made->end.exit_code != 0) return Fail(ErrorCode::kIo, "make-guest-initramfs: " + made->err);
  auto version = ReadTextFile(kernel + "/version", 256);
  if (!version) return Forward(version);
  return GuestImages{kernel + "/Image", initramfs, FirstLine(*version)};
}

}  // namespace

Result<GuestImages> FindGuestImages() {
  return MakeImages({"fetch-kernel"}, "guest.cpio", false);
}

Result<GuestImages> FindGuestImages(TestKernel kernel) {
  switch (kernel) {
    case TestKernel::kNewest:
      return MakeImages({"fetch-kernel"}, "guest-newest.cpio", true);
    case TestKernel::kBookworm:
      return MakeImages({"fetch-further-kernel", "bookworm"}, "guest-bookworm.cpio", true);
    case TestKernel::kBesideQemuGa: {
      auto other = RunToEnd({kScripts + "fetch-guest-agent"}, kFetchLimit);
      if (!other) return Forward(other);
      if (other->end.exit_code != 0)
        return Fail(ErrorCode::kIo, "fetch-guest-agent: " + other->err);
      auto images = MakeImages({"fetch-kernel"}, "guest-qga.cpio", true, FirstLine(other->out));
      if (images) images->more_ports = {"org.qemu.guest_agent.0"};
      return images;
    }
    case TestKernel::kX86: {
      if (!kBuiltForX86)
        return Fail(ErrorCode::kUnsupported, "this build has no programs for x86-64 guests");
      auto images =
          MakeImages({"fetch-further-kernel", "x86"}, "guest-x86.cpio", true, {}, HostBinDir());
      if (!images) return images;
      RunOnX86(*images);
      return images;
    }
    case TestKernel::k16k: {
      auto images = MakeImages({"fetch-further-kernel", "16k"}, "guest-16k.cpio", true);
      if (!images) return images;
      images->cpu = "neoverse-n1";  // Cortex-A72 has no 16 KiB pages
      images->memory_mib = 768;     // their huge pages have 32 MiB
      return images;
    }
  }
  return Fail(ErrorCode::kInvalid, "no such kernel");
}

Result<GuestImages> FindUefiGuestImages(GuestMachine machine) {
  const bool x86 = machine == GuestMachine::kX86;
  auto images = x86 ? FindGuestImages(TestKernel::kX86) : FindGuestImages();
  if (!images) return images;
  const std::string initramfs =
      std::string(SEAWARD_BINARY_DIR) + (x86 ? "/uefi-x86-guest.cpio" : "/uefi-guest.cpio");
  const std::string kernel = images->kernel.substr(0, images->kernel.rfind('/'));
  auto made = RunToEnd(
      {kScripts + "make-uefi-initramfs", images->initramfs, kernel,
       x86 ? HostBinDir() + "/seaward-x64.efi" : Arm64BinDir() + "/seaward-aa64.efi", initramfs},
      kFetchLimit);
  if (!made) return Forward(made);
  if (made->end.exit_code != 0) return Fail(ErrorCode::kIo, "make-uefi-initramfs: " + made->err);
  images->initramfs = initramfs;
  return images;
}

Result<DebianImage> FindDebianImage(const std::string& tool) {
  if (::geteuid() != 0)
    return Fail(ErrorCode::kUnsupported, "installing a package in a root of its own needs root");
  const std::string package =
      kBuiltForX86 ? "seaward-agent_*_amd64.deb" : "seaward-agent_*_arm64.deb";
  auto listed = RunToEnd({"find", std::string(SEAWARD_SOURCE_DIR) + "/build/packages", "-maxdepth",
                          "1", "-name", package},
                         kFetchLimit);
  if (!listed) return Forward(listed);
  const std::string deb = FirstLine(listed->out);
  if (deb.empty() || listed->out != deb + "\n")
    return Fail(ErrorCode::kNotFound, "not one " + package + " in build/packages: ./dev package");
  const std::string folder = std::string(SEAWARD_BINARY_DIR) + "/guest-" + tool;
  auto made =
      RunToEnd({kScripts + "make-guest-disk", tool, deb, HostBinDir() + "/seaward-testd", folder},
               kImageLimit);
  if (!made) return Forward(made);
  if (made->end.exit_code != 0) return Fail(ErrorCode::kIo, "make-guest-disk: " + made->err);
  auto version = ReadTextFile(folder + "/version", 256);
  if (!version) return Forward(version);
  DebianImage image{{folder + "/Image", folder + "/initrd", FirstLine(*version)},
                    folder + "/disk.ext4"};
  image.guest.memory_mib = 1024;
  if (kBuiltForX86) RunOnX86(image.guest);
  return image;
}

Status MakeBootDisk(const std::string& loader, const GuestImages& images,
                    const std::string& command_line, const std::string& path) {
  auto fetched = RunToEnd({kScripts + "fetch-bootloaders"}, kFetchLimit);
  if (!fetched) return Forward(fetched);
  if (fetched->end.exit_code != 0)
    return Fail(ErrorCode::kIo, "fetch-bootloaders: " + fetched->err);
  auto made = RunToEnd(
      {kScripts + "make-boot-disk", loader, images.kernel, images.initramfs, command_line, path},
      kFetchLimit);
  if (!made) return Forward(made);
  if (made->end.exit_code != 0) return Fail(ErrorCode::kIo, "make-boot-disk: " + made->err);
  return {};
}

}  // namespace seaward::testing
