// A firmware as the driver sees it: memory, variables, one volume of files, SMBIOS. One at a time:
// UEFI's functions bring no context of ours.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "guest-agent/efi/uefi.h"

namespace seaward::efi {

class FakeFirmware {
 public:
  using Bytes = std::vector<std::uint8_t>;
  struct Variable {
    std::uint32_t attributes;
    Bytes data;
  };
  struct Piece {
    std::uint64_t first;
    std::uint64_t pages;
    std::uint32_t type;
  };

  FakeFirmware() {
    current = this;
    boot_.allocate_pages = &Allocate;
    boot_.get_memory_map = &Map;
    boot_.handle_protocol = &Protocol;
    runtime_.get_variable = &Get;
    runtime_.set_variable = &Set;
    files_.open_volume = &OpenVolume;
    root_.file.open = &Open;
    root_.file.close = &Close;
    root_.file.read = &Read;
    opened_.file = root_.file;
    image_.device = &files_;
    SetUuid(machine_bytes);
  }
  ~FakeFirmware() { current = nullptr; }
  FakeFirmware(const FakeFirmware&) = delete;
  FakeFirmware& operator=(const FakeFirmware&) = delete;

  SystemTable& System() {
    system_.boot = &boot_;
    system_.runtime = &runtime_;
    system_.table_count = smbios ? 1 : 0;
    system_.tables = &smbios_entry_;
    return system_;
  }
  Handle Image() { return &image_; }

  // As they stand in the SMBIOS structure.
  void SetUuid(const Bytes& bytes) {
    structures_.assign(27 + 2, 0);
    structures_[0] = 1;
    structures_[1] = 27;
    std::copy(bytes.begin(), bytes.end(), structures_.begin() + 8);
    entry_.assign(32, 0);
    std::memcpy(entry_.data(), "_SM3_", 5);
    entry_[0x0c] = static_cast<std::uint8_t>(structures_.size());
    const auto address = reinterpret_cast<std::uintptr_t>(structures_.data());
    for (unsigned i = 0; i < 8; ++i)
      entry_[0x10 + i] = static_cast<std::uint8_t>(std::uint64_t{address} >> (8 * i));
    smbios_entry_ = ConfigurationTable{kSmbios3TableGuid, entry_.data()};
  }
  void LosesPower() {  // what is volatile goes; memory is whole again
    std::erase_if(variables, [](const auto& item) {
      return (item.second.attributes & kVariableNonVolatile) == 0;
    });
    unusable.clear();
  }

  Bytes machine_bytes{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  bool smbios = true;
  bool volume = true;
  bool file_errors = false;
  bool gives_nothing = false;  // of memory
  std::size_t largest_variable = 8192;
  bool non_volatile_writes = true;
  std::size_t map_room = SIZE_MAX;  // a map that is larger answers BUFFER_TOO_SMALL
  std::vector<Piece> map{{0x40000000, 0x20000, kConventionalMemory}};
  std::map<std::u16string, Bytes> files;
  std::map<std::u16string, Variable> variables;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unusable;  // first, pages
  int allocations = 0;
  int open_files = 0;
  int variable_writes = 0;

 private:
  struct OpenFile {
    File file{};
    const Bytes* bytes = nullptr;
  };

  static Status Allocate(AllocateType type, MemoryType memory, std::size_t pages,
                         std::uint64_t* address) {
    FakeFirmware& self = *current;
    ++self.allocations;
    if (self.gives_nothing) return kNotFound;
    if (type != AllocateType::kAddress || memory != kUnusableMemory) return kInvalidParameter;
    for (std::size_t i = 0; i < pages; ++i)
      if (self.TypeAt(*address + i * 4096) != kConventionalMemory) return kNotFound;
    self.unusable.emplace_back(*address, pages);
    return kSuccess;
  }
  std::uint32_t TypeAt(std::uint64_t page) const {
    for (const auto& [first, pages] : unusable)
      if (page >= first && page < first + pages * 4096) return kUnusableMemory;
    for (const Piece& piece : map)
      if (page >= piece.first && page < piece.first + piece.pages * 4096) return piece.type;
    return 0xffff;
  }

  // Descriptors of 48 bytes, as EDK2's.
  static Status Map(std::size_t* size, void* out, std::size_t* key, std::size_t* descriptor_size,
                    std::uint32_t* version) {
    FakeFirmware& self = *current;
    constexpr std::size_t kStride = 48;
    *key = 1;
    *descriptor_size = kStride;
    *version = 1;
    const std::size_t needed = self.map.size() * kStride;
    if (needed > std::min(*size, self.map_room)) return kBufferTooSmall;
    *size = needed;
    auto* at = static_cast<std::uint8_t*>(out);
    for (const Piece& piece : self.map) {
      const MemoryDescriptor descriptor{piece.type, piece.first, 0, piece.pages, 0};
      std::memcpy(at, &descriptor, sizeof(descriptor));
      at += kStride;
    }
    return kSuccess;
  }

  static Status Protocol(Handle handle, const Guid* protocol, void** interface) {
    FakeFirmware& self = *current;
    if (handle == &self.image_ && *protocol == kLoadedImageGuid) {
      *interface = &self.image_;
      return kSuccess;
    }
    if (handle == &self.files_ && *protocol == kSimpleFileSystemGuid && self.volume) {
      *interface = &self.files_;
      return kSuccess;
    }
    return kUnsupported;
  }

  static Status Get(const char16_t* name, const Guid*, std::uint32_t* attributes, std::size_t* size,
                    void* data) {
    const auto it = current->variables.find(name);
    if (it == current->variables.end()) return kNotFound;
    const Bytes& bytes = it->second.data;
    const std::size_t room = *size;
    *size = bytes.size();
    if (attributes != nullptr) *attributes = it->second.attributes;
    if (room < bytes.size()) return kBufferTooSmall;
    std::copy(bytes.begin(), bytes.end(), static_cast<std::uint8_t*>(data));
    return kSuccess;
  }
  static Status Set(const char16_t* name, const Guid*, std::uint32_t attributes, std::size_t size,
                    const void* data) {
    FakeFirmware& self = *current;
    if (size > self.largest_variable) return kOutOfResources;
    if ((attributes & kVariableNonVolatile) != 0 && !self.non_volatile_writes) return kDeviceError;
    ++self.variable_writes;
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    self.variables[name] = Variable{attributes, Bytes(bytes, bytes + size)};
    return kSuccess;
  }

  static Status OpenVolume(SimpleFileSystem*, File** root) {
    *root = &current->root_.file;
    ++current->open_files;
    return kSuccess;
  }
  static Status Open(File*, File** opened, const char16_t* name, std::uint64_t mode,
                     std::uint64_t) {
    FakeFirmware& self = *current;
    const auto it = self.files.find(name);
    if (it == self.files.end() || mode != kFileModeRead) return kNotFound;
    self.opened_.bytes = &it->second;
    *opened = &self.opened_.file;
    ++self.open_files;
    return kSuccess;
  }
  static Status Close(File*) {
    --current->open_files;
    return kSuccess;
  }
  static Status Read(File*, std::size_t* size, void* out) {
    FakeFirmware& self = *current;
    if (self.file_errors) return kDeviceError;
    *size = std::min(*size, self.opened_.bytes->size());
    std::copy_n(self.opened_.bytes->data(), *size, static_cast<std::uint8_t*>(out));
    return kSuccess;
  }

  inline static FakeFirmware* current = nullptr;
  BootServices boot_{};
  RuntimeServices runtime_{};
  SystemTable system_{};
  SimpleFileSystem files_{};
  LoadedImage image_{};
  OpenFile root_;
  OpenFile opened_;
  Bytes structures_;
  Bytes entry_;
  ConfigurationTable smbios_entry_{};
};

}  // namespace seaward::efi
