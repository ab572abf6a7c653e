// The little of the UEFI specification (2.10) that the driver uses, written from its tables:
// chapter 4 (system table), 7 (boot and runtime services), 9 (loaded image), 13 (files). Members up
// to the last one used; what is not called is a bare pointer that keeps its place.
//
// Function pointers have the compiler's own calling convention: for *-unknown-windows that is the
// one of UEFI; a test on another system brings functions of its own.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace seaward::efi {

using Handle = void*;
using Status = size_t;  // EFI_STATUS: UINTN, errors have the top bit

inline constexpr Status kErrorBit = ~(~Status{0} >> 1);
inline constexpr Status kSuccess = 0;
inline constexpr Status kInvalidParameter = kErrorBit | 2;
inline constexpr Status kUnsupported = kErrorBit | 3;
inline constexpr Status kBufferTooSmall = kErrorBit | 5;
inline constexpr Status kDeviceError = kErrorBit | 7;
inline constexpr Status kOutOfResources = kErrorBit | 9;
inline constexpr Status kNotFound = kErrorBit | 14;
inline constexpr bool Failed(Status status) {
  return (status & kErrorBit) != 0;
}

struct Guid {
  uint32_t data1;
  uint16_t data2;
  uint16_t data3;
  uint8_t data4[8];
  bool operator==(const Guid& o) const {
    for (size_t i = 0; i < sizeof(data4); ++i)
      if (data4[i] != o.data4[i]) return false;
    return data1 == o.data1 && data2 == o.data2 && data3 == o.data3;
  }
};

inline constexpr Guid kLoadedImageGuid{
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
inline constexpr Guid kSimpleFileSystemGuid{
    0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
inline constexpr Guid kSmbiosTableGuid{
    0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
inline constexpr Guid kSmbios3TableGuid{
    0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};

struct TableHeader {
  uint64_t signature;
  uint32_t revision;
  uint32_t header_size;
  uint32_t crc32;
  uint32_t reserved;
};

enum class AllocateType : uint32_t { kAnyPages = 0, kMaxAddress = 1, kAddress = 2 };

enum MemoryType : uint32_t {
  kReservedMemory = 0,
  kLoaderCode = 1,
  kLoaderData = 2,
  kBootServicesCode = 3,
  kBootServicesData = 4,
  kRuntimeServicesCode = 5,
  kRuntimeServicesData = 6,
  kConventionalMemory = 7,
  kUnusableMemory = 8,
  kAcpiReclaimMemory = 9,
  kAcpiNvsMemory = 10,
};

// As the firmware writes them, `descriptor_size` bytes apart, which may be more than this.
struct MemoryDescriptor {
  uint32_t type;
  uint64_t physical_start;
  uint64_t virtual_start;
  uint64_t pages;
  uint64_t attribute;
};

struct BootServices {
  TableHeader header;
  void* raise_tpl;
  void* restore_tpl;
  Status (*allocate_pages)(AllocateType type, MemoryType memory, size_t pages, uint64_t* address);
  void* free_pages;
  Status (*get_memory_map)(size_t* map_size, void* map, size_t* key, size_t* descriptor_size,
                           uint32_t* descriptor_version);
  void* allocate_pool;
  void* free_pool;
  void* create_event;
  void* set_timer;
  void* wait_for_event;
  void* signal_event;
  void* close_event;
  void* check_event;
  void* install_protocol_interface;
  void* reinstall_protocol_interface;
  void* uninstall_protocol_interface;
  Status (*handle_protocol)(Handle handle, const Guid* protocol, void** interface);
};

inline constexpr uint32_t kVariableNonVolatile = 1;
inline constexpr uint32_t kVariableBootAccess = 2;
inline constexpr uint32_t kVariableRuntimeAccess = 4;

struct RuntimeServices {
  TableHeader header;
  void* get_time;
  void* set_time;
  void* get_wakeup_time;
  void* set_wakeup_time;
  void* set_virtual_address_map;
  void* convert_pointer;
  Status (*get_variable)(const char16_t* name, const Guid* vendor, uint32_t* attributes,
                         size_t* size, void* data);
  void* get_next_variable_name;
  Status (*set_variable)(const char16_t* name, const Guid* vendor, uint32_t attributes, size_t size,
                         const void* data);
};

struct ConfigurationTable {
  Guid vendor;
  void* table;
};

struct SystemTable {
  TableHeader header;
  const char16_t* firmware_vendor;
  uint32_t firmware_revision;
  Handle console_in_handle;
  void* console_in;
  Handle console_out_handle;
  void* console_out;
  Handle standard_error_handle;
  void* standard_error;
  RuntimeServices* runtime;
  BootServices* boot;
  size_t table_count;
  const ConfigurationTable* tables;
};

struct LoadedImage {
  uint32_t revision;
  Handle parent;
  SystemTable* system_table;
  Handle device;
};

inline constexpr uint64_t kFileModeRead = 1;

struct File {
  uint64_t revision;
  Status (*open)(File* self, File** opened, const char16_t* name, uint64_t mode,
                 uint64_t attributes);
  Status (*close)(File* self);
  void* remove;
  Status (*read)(File* self, size_t* size, void* out);
};

struct SimpleFileSystem {
  uint64_t revision;
  Status (*open_volume)(SimpleFileSystem* self, File** root);
};

// Where the members lie is the specification's word, checked for 64-bit machines.
static_assert(sizeof(void*) != 8 || offsetof(BootServices, allocate_pages) == 40);
static_assert(sizeof(void*) != 8 || offsetof(BootServices, get_memory_map) == 56);
static_assert(sizeof(void*) != 8 || offsetof(BootServices, handle_protocol) == 152);
static_assert(sizeof(void*) != 8 || offsetof(RuntimeServices, get_variable) == 72);
static_assert(sizeof(void*) != 8 || offsetof(RuntimeServices, set_variable) == 88);
static_assert(sizeof(void*) != 8 || offsetof(SystemTable, runtime) == 88);
static_assert(sizeof(void*) != 8 || offsetof(SystemTable, tables) == 112);
static_assert(sizeof(void*) != 8 || offsetof(LoadedImage, device) == 24);
static_assert(sizeof(void*) != 8 || offsetof(File, read) == 32);
static_assert(offsetof(MemoryDescriptor, pages) == 24);

}  // namespace seaward::efi
