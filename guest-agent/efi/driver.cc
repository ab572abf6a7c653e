#include "guest-agent/efi/driver.h"

#include "guest-agent/efi/smbios.h"
#include "guest-agent/nextboot/boot_list.h"

namespace seaward::efi {
namespace {

using nextboot::BootCounter;
using nextboot::BootListView;
using nextboot::BootReport;
using nextboot::BootResult;
using nextboot::Bytes;
using nextboot::kPageBytes;
using nextboot::ListedRange;
using nextboot::ListError;
using nextboot::MachineId;
using nextboot::PageFate;

constexpr Guid kVendor{
    nextboot::kVendorData1,
    nextboot::kVendorData2,
    nextboot::kVendorData3,
    {nextboot::kVendorData4[0], nextboot::kVendorData4[1], nextboot::kVendorData4[2],
     nextboot::kVendorData4[3], nextboot::kVendorData4[4], nextboot::kVendorData4[5],
     nextboot::kVendorData4[6], nextboot::kVendorData4[7]}};

constexpr uint32_t kVolatile = kVariableBootAccess | kVariableRuntimeAccess;
constexpr uint32_t kKept = kVolatile | kVariableNonVolatile;

class Run {
 public:
  Run(Handle image, SystemTable& system, DriverMemory& memory)
      : image_(image), system_(system), memory_(memory), report_(memory.report) {}

  void Go() {
    report_ = BootReport{};
    BootListView list;
    report_.result = FindList(list);
    if (report_.result == BootResult::kApplied) report_.result = MayApply(list);
    if (report_.result == BootResult::kApplied) {
      ReadMap();
      for (size_t i = 0; i < list.size(); ++i) Protect(list[i].first, list[i].pages);
    } else if (report_.result != BootResult::kOtherMachine) {
      // This machine's pages all the same: the early stage hears of them.
      for (size_t i = 0; i < list.size(); ++i)
        nextboot::AddFate(report_, list[i].first, list[i].pages, PageFate::kSkipped);
    }
    Tell();
  }

 private:
  // --- the list ---

  enum class Reading { kMissing, kBad, kGood };

  BootResult FindList(BootListView& list) {
    File* root = OpenVolume();
    if (root == nullptr) return BootResult::kNoVolume;
    Reading reading = Read(root, nextboot::kListPath, list);
    if (reading != Reading::kGood) {
      const Reading old = Read(root, nextboot::kOldListPath, list);
      report_.from_old_list = old == Reading::kGood;
      if (old != Reading::kMissing) reading = old;
    }
    root->close(root);
    if (reading == Reading::kMissing) return BootResult::kNoList;
    if (reading == Reading::kBad) return BootResult::kBadList;
    report_.list_checksum = list.checksum();
    return BootResult::kApplied;
  }

  File* OpenVolume() {
    const auto protocol = [this](Handle handle, const Guid& guid) {
      void* interface = nullptr;
      if (handle == nullptr) return interface;
      const Status status = system_.boot->handle_protocol(handle, &guid, &interface);
      if (Failed(status)) interface = nullptr;
      Note(status);
      return interface;
    };
    const auto* loaded = static_cast<const LoadedImage*>(protocol(image_, kLoadedImageGuid));
    if (loaded == nullptr) return nullptr;
    auto* files = static_cast<SimpleFileSystem*>(protocol(loaded->device, kSimpleFileSystemGuid));
    if (files == nullptr) return nullptr;
    File* root = nullptr;
    const Status status = files->open_volume(files, &root);
    Note(status);
    return Failed(status) ? nullptr : root;
  }

  // A file that cannot be read is one that fails its checks.
  Reading Read(File* root, const char16_t* path, BootListView& list) {
    File* file = nullptr;
    const Status opened = root->open(root, &file, path, kFileModeRead, 0);
    if (Failed(opened)) {
      if (opened != kNotFound) Note(opened);
      return Reading::kMissing;
    }
    size_t size = sizeof(memory_.list);
    const Status status = file->read(file, &size, memory_.list);
    Note(status);
    file->close(file);
    if (Failed(status)) return Reading::kBad;
    const ListError error = list.Parse(Bytes{memory_.list, size});
    return error == ListError::kNone ? Reading::kGood : Reading::kBad;
  }

  // --- whether it holds ---

  BootResult MayApply(const BootListView& list) {
    const MachineId machine = Machine();
    if (machine.IsNil() || !(machine == list.machine())) return BootResult::kOtherMachine;
    if (list.size() == 0) return BootResult::kApplied;
    BootCounter counter = CounterNow();
    if (counter.list_checksum != list.checksum()) counter = BootCounter{list.checksum(), 0};
    report_.boots = counter.boots;
    if (counter.boots >= nextboot::kMaxFailedBoots) return BootResult::kFailedTwice;
    // Before the first page is touched: a boot that this list ends has been counted.
    ++counter.boots;
    report_.boots = counter.boots;
    return Keep(counter) ? BootResult::kApplied : BootResult::kNoCounter;
  }

  MachineId Machine() {
    MachineId machine;
    for (size_t i = 0; i < system_.table_count && machine.IsNil(); ++i) {
      const ConfigurationTable& table = system_.tables[i];
      if (!(table.vendor == kSmbios3TableGuid) && !(table.vendor == kSmbiosTableGuid)) continue;
      SmbiosTable smbios;
      if (!ReadSmbiosEntry(Bytes{static_cast<const uint8_t*>(table.table), kSmbiosEntryBytes},
                           smbios))
        continue;
      const auto* structures =
          reinterpret_cast<const uint8_t*>(  // NOLINT(performance-no-int-to-ptr)
              static_cast<uintptr_t>(smbios.address));
      machine = FindSystemUuid(Bytes{structures, smbios.bytes}, smbios.little_endian_uuid);
    }
    return machine;
  }

  BootCounter CounterNow() {
    uint8_t bytes[nextboot::kCounterBytes] = {};
    size_t size = sizeof(bytes);
    BootCounter counter;
    const Status status =
        system_.runtime->get_variable(nextboot::kCounterVariable, &kVendor, nullptr, &size, bytes);
    if (Failed(status) || !nextboot::ReadCounter(Bytes{bytes, size}, counter)) return BootCounter{};
    return counter;
  }

  bool Keep(const BootCounter& counter) {
    uint8_t bytes[nextboot::kCounterBytes];
    nextboot::WriteCounter(counter, bytes);
    const Status status = system_.runtime->set_variable(nextboot::kCounterVariable, &kVendor, kKept,
                                                        sizeof(bytes), bytes);
    Note(status);
    return !Failed(status);
  }

  // --- the pages ---

  // Whole where it can be; where not, piece by piece of the firmware's map: so that a range of
  // which most is no memory costs no more than one that is.
  void Protect(uint64_t first, uint32_t pages) {
    if (Takes(first, pages)) return;
    while (pages > 0) {
      const Piece piece = PieceAt(first, pages);
      if (piece.fate == PageFate::kRefused)
        ProtectFree(first, piece.pages);
      else
        nextboot::AddFate(report_, first, piece.pages, piece.fate);
      first += uint64_t{piece.pages} * kPageBytes;
      pages -= piece.pages;
    }
  }

  // Free by the map, or there is none. Where not even that is given as a whole: in halves, down to
  // the pages that are in the way.
  void ProtectFree(uint64_t first, uint32_t pages) {
    if (Takes(first, pages)) return;
    if (pages == 1 || halvings_left_ == 0) {
      Note(refusal_);
      nextboot::AddFate(report_, first, pages, PageFate::kRefused);
      return;
    }
    --halvings_left_;
    const uint32_t half = pages / 2;
    ProtectFree(first, half);
    ProtectFree(first + uint64_t{half} * kPageBytes, pages - half);
  }

  bool Takes(uint64_t first, uint32_t pages) {
    uint64_t address = first;
    const Status status =
        system_.boot->allocate_pages(AllocateType::kAddress, kUnusableMemory, pages, &address);
    if (Failed(status)) {
      refusal_ = status;
      return false;
    }
    nextboot::AddFate(report_, first, pages, PageFate::kProtected);
    return true;
  }

  void ReadMap() {
    size_t size = sizeof(memory_.map);
    size_t key = 0;
    uint32_t version = 0;
    const Status status =
        system_.boot->get_memory_map(&size, memory_.map, &key, &descriptor_size_, &version);
    Note(status);
    const bool usable = !Failed(status) && descriptor_size_ >= sizeof(MemoryDescriptor) &&
                        descriptor_size_ % alignof(MemoryDescriptor) == 0;
    map_bytes_ = usable ? size : 0;
  }

  struct Piece {
    uint32_t pages;  // at least 1
    PageFate fate;
  };
  // The pages from `first` on, of `pages`, of which the map says the same.
  Piece PieceAt(uint64_t first, uint32_t pages) const {
    if (map_bytes_ == 0) return {pages, PageFate::kRefused};
    uint64_t hole = pages;  // until the next memory begins
    for (size_t at = 0; at + descriptor_size_ <= map_bytes_; at += descriptor_size_) {
      const auto& piece = *reinterpret_cast<const MemoryDescriptor*>(memory_.map + at);
      if (first < piece.physical_start) {
        const uint64_t distance = (piece.physical_start - first + kPageBytes - 1) / kPageBytes;
        if (piece.pages > 0 && distance < hole) hole = distance;
        continue;
      }
      const uint64_t into = (first - piece.physical_start) / kPageBytes;
      if (into >= piece.pages) continue;
      const uint64_t rest = piece.pages - into;
      return {rest < pages ? static_cast<uint32_t>(rest) : pages, FateIn(piece.type)};
    }
    return {static_cast<uint32_t>(hole), PageFate::kNotMemory};
  }

  static PageFate FateIn(uint32_t type) {
    switch (type) {
      case kConventionalMemory:
        return PageFate::kRefused;
      case kLoaderCode:
      case kLoaderData:
      case kBootServicesCode:
      case kBootServicesData:
        return PageFate::kBusy;
      case kUnusableMemory:
        return PageFate::kAlreadyUnusable;
      default:
        return PageFate::kFirmware;
    }
  }

  // --- the report ---

  void Tell() {
    // A firmware whose variables are smaller still hears the result.
    if (!Told(true)) (void)Told(false);
  }

  bool Told(bool with_runs) {
    const size_t size = nextboot::WriteReport(report_, with_runs, memory_.report_bytes);
    const Status status = system_.runtime->set_variable(nextboot::kReportVariable, &kVendor,
                                                        kVolatile, size, memory_.report_bytes);
    Note(status);
    return !Failed(status);
  }

  void Note(Status status) {
    if (Failed(status) && report_.firmware_status == 0)
      report_.firmware_status = static_cast<uint32_t>(status & 0xffffffff);
  }

  Handle image_;
  SystemTable& system_;
  DriverMemory& memory_;
  BootReport& report_;
  size_t map_bytes_ = 0;
  size_t descriptor_size_ = 0;
  Status refusal_ = kSuccess;
  // A firmware that refuses everything must not keep the machine from booting: a call costs it
  // microseconds, and what is left then is the early stage's.
  uint32_t halvings_left_ = 1U << 16;
};

bool ReportedAlready(SystemTable& system) {
  size_t size = 0;
  const Status status =
      system.runtime->get_variable(nextboot::kReportVariable, &kVendor, nullptr, &size, nullptr);
  return status == kBufferTooSmall || !Failed(status);
}

}  // namespace

void ProtectListedPages(Handle image, SystemTable& system, DriverMemory& memory) {
  if (!ReportedAlready(system)) Run(image, system, memory).Go();
}

}  // namespace seaward::efi
