#include "tests/lab/host/lab_images.h"

#include <chrono>
#include <filesystem>

#include "tests/support/child_process.h"
#include "tests/support/test_images.h"

namespace seaward::lab {
namespace {

// An unpacked root system comes over the network when the cache is cold.
constexpr std::chrono::minutes kLimit{20};

const std::string kScripts = SEAWARD_SOURCE_DIR "/tests/images/";

constexpr int kNotObtainable = 77;

// The first line of its output; kUnsupported when it ends with kNotObtainable.
Result<std::string> RunScript(const std::string& name, std::vector<std::string> words) {
  words.insert(words.begin(), kScripts + name);
  auto run = testing::RunToEnd(words, kLimit);
  if (!run) return Forward(run);
  if (run->end.exit_code == kNotObtainable)
    return Fail(ErrorCode::kUnsupported, name + ": " + run->err);
  if (run->end.exit_code != 0 || run->end.signal != 0)
    return Fail(ErrorCode::kIo, name + ": " + run->err);
  return run->out.substr(0, run->out.find('\n'));
}

// Either CPU has RAS, without which KVM offers no such exit, and neither has pointer
// authentication, which costs half the speed in emulation. "max" has FEAT_EVT
// (tests/images/fetch-qemu).
Status ChooseQemu(LabImages& images) {
  auto newer = RunScript("fetch-qemu", {});
  if (newer) {
    images.qemu = *newer + "/usr/bin/qemu-system-aarch64";
    images.qemu_data = *newer + "/usr/share/qemu";
    images.host_cpu = "max,pauth=off,sve=off,sme=off,lpa2=off";
    return {};
  }
  if (newer.error().code != ErrorCode::kUnsupported) return Forward(newer);
  images.qemu = "qemu-system-aarch64";
  images.host_cpu = "neoverse-n1";
  return {};
}

}  // namespace

Result<LabImages> PrepareImages(const std::string& work) {
  auto guest = testing::FindGuestImages();
  if (!guest) return Forward(guest);
  auto root = RunScript("make-lab-root", {});
  if (!root) return Forward(root);
  LabImages images;
  if (auto chosen = ChooseQemu(images); !chosen) return Forward(chosen);
  images.kernel = guest->kernel;
  images.kernel_version = guest->kernel_version;
  images.root = *root + "/root.ext4";
  images.initramfs = *root + "/initramfs";
  images.disk = work + "/ours.ext4";
  // What libvirt learns depends on the root's QEMU and the kernel, both of which its name covers.
  const std::filesystem::path folder(*root);
  images.capabilities = folder.parent_path() / ("lab-capabilities-" + folder.filename().string());
  const auto build = std::filesystem::path(testing::Arm64BinDir()).parent_path();
  auto uefi = testing::FindUefiGuestImages();
  if (!uefi) return Forward(uefi);
  const std::string esp = work + "/esp.img";
  if (auto made = testing::MakeBootDisk("none", *uefi, "", esp); !made) return Forward(made);
  auto made = RunScript("make-lab-disk", {build, guest->initramfs, uefi->initramfs, esp,
                                          images.capabilities, images.disk});
  if (!made) return Forward(made);
  return images;
}

}  // namespace seaward::lab
