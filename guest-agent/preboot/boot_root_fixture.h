// A machine of files: EFI variables, an ESP that is "mounted", its partition in sysfs. Everything
// below one temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/file_io.h"
#include "guest-agent/preboot/boot_installer.h"

namespace seaward::agent {

class CollectingSink final : public LogSink {
 public:
  void Write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  bool Says(std::string_view text) const {
    for (const std::string& line : lines)
      if (line.find(text) != std::string::npos) return true;
    return false;
  }
  std::vector<std::string> lines;
};

class BootRoot : public testing::Test {
 protected:
  BootRoot() {
    char name[] = "/tmp/swbXXXXXX";
    root_ = ::mkdtemp(name);
    places_.roots = EspRoots{root_ + "/sys", root_ + "/proc", root_ + "/dev"};
    places_.esp = root_ + "/esp";
    places_.list = root_ + "/lib/next-boot";
    places_.run_dir = root_ + "/run";
    places_.drivers = root_ + "/drivers";
    places_.grub_scripts = root_ + "/grub.d";
    places_.machine = kMachine;
    for (const char* folder : {"/esp/EFI", "/lib", "/run", "/grub.d"})
      std::filesystem::create_directories(root_ + folder);
    Holds("/sys/firmware/efi/efivars/Boot0000-" + std::string(kGlobalVendor), "1234abc");
    Holds("/proc/self/mountinfo", "24 1 254:2 / / rw - ext4 /dev/vda2 rw\n36 24 254:1 / " + root_ +
                                      "/esp rw,relatime shared:1 - vfat /dev/vda1 rw\n");
    HasPartition();
    HasDriver(false);
  }
  ~BootRoot() override { std::filesystem::remove_all(root_); }

  void Holds(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::trunc) << text;
  }
  bool Has(const std::string& path) const { return std::filesystem::exists(root_ + path); }
  std::string TextOf(const std::string& path) const {
    return ReadTextFile(root_ + path, 1 << 20).value_or("(none)");
  }

  void HasPartition() {
    const std::string disk = "/sys/devices/pci/virtio0/block/vda";
    Holds(disk + "/vda1/partition", "1\n");
    Holds(disk + "/vda1/start", "2048\n");
    Holds(disk + "/vda1/size", "131072\n");
    Holds(disk + "/vda1/uevent",
          "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nPARTN=1\n"
          "PARTUUID=00010203-0405-0607-0809-0a0b0c0d0e0f\n");
    Holds(disk + "/queue/logical_block_size", "512\n");
    std::filesystem::create_directories(root_ + "/sys/dev/block");
    std::filesystem::create_symlink(root_ + disk + "/vda1", root_ + "/sys/dev/block/254:1");
  }

  // The smallest file that is a PE32+ image of this machine's architecture.
  void HasDriver(bool is_signed) {
    std::string image(512, '\0');
    const auto put = [&image](std::size_t at, std::uint32_t value, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) image[at + i] = static_cast<char>(value >> (8 * i));
    };
    put(0x3c, 0x40, 4);
    image.replace(0x40, 2, "PE");
#if defined(__aarch64__)
    put(0x44, 0xaa64, 2);
    driver_name_ = "seaward-aa64.efi";
#else
    put(0x44, 0x8664, 2);
    driver_name_ = "seaward-x64.efi";
#endif
    put(0x58, 0x20b, 2);
    put(0x40 + 24 + 108, 16, 4);
    if (is_signed) put(0x40 + 24 + 112 + 32, 400, 4);
    if (is_signed) put(0x40 + 24 + 112 + 36, 100, 4);
    Holds("/drivers/" + driver_name_, image);
  }

  void SecureBootIs(bool on) {
    Holds("/sys/firmware/efi/efivars/SecureBoot-" + std::string(kGlobalVendor),
          std::string("\6\0\0\0", 4) + static_cast<char>(on));
  }

  static constexpr Uuid kMachine{{std::byte{5}, std::byte{6}}};
  std::string root_;
  std::string driver_name_;
  BootPlaces places_;
  CollectingSink sink_;
  Logger log_{sink_, LogLevel::kDebug};
};

}  // namespace seaward::agent
