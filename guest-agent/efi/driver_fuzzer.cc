// Any bytes as the list on the ESP, as the report and the count of earlier boots, and as the
// firmware's memory map: the boot goes on, every page taken was free, listed, and no file stays
// open. First byte: what is wrong besides.
#include "guest-agent/efi/driver.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "guest-agent/efi/fake_firmware.h"
#include "guest-agent/nextboot/boot_list.h"

namespace {

using namespace seaward::efi;       // NOLINT(google-build-using-namespace)
using namespace seaward::nextboot;  // NOLINT(google-build-using-namespace)

void Require(bool rule) {
  if (!rule) std::abort();
}

// Neighbours of every kind of memory, from bytes.
std::vector<FakeFirmware::Piece> MapOf(const std::uint8_t* data, std::size_t size) {
  std::vector<FakeFirmware::Piece> map;
  std::uint64_t at = 0x40000000;
  for (std::size_t i = 0; i + 1 < size && i < 128; i += 2) {
    map.push_back({at, std::uint64_t{data[i]} + 1, data[i + 1] % 16U});
    at += map.back().pages * 4096;
  }
  return map;
}

bool IsListed(const BootListView& list, std::uint64_t page) {
  for (std::size_t i = 0; i < list.size(); ++i)
    if (page >= list[i].first && page < list[i].end()) return true;
  return false;
}

void Boot(const FakeFirmware::Bytes& list, const std::uint8_t* data, std::size_t size,
          std::uint8_t trouble) {
  static const auto memory = std::make_unique<DriverMemory>();
  FakeFirmware firmware;
  firmware.files[kListPath] = list;
  firmware.file_errors = (trouble & 1) != 0;
  firmware.smbios = (trouble & 2) == 0;
  firmware.non_volatile_writes = (trouble & 4) == 0;
  if ((trouble & 8) != 0) firmware.variables[kCounterVariable] = {7, {data, data + size}};
  if ((trouble & 16) != 0) firmware.variables[kReportVariable] = {6, {data, data + size}};
  if ((trouble & 32) != 0) firmware.map = MapOf(data, size);
  if ((trouble & 64) != 0) firmware.largest_variable = size;
  ProtectListedPages(firmware.Image(), firmware.System(), *memory);
  Require(firmware.open_files == 0);
  BootListView view;
  const bool good = view.Parse({list.data(), list.size()}) == ListError::kNone;
  Require(good || firmware.unusable.empty());
  for (const auto& [first, pages] : firmware.unusable)
    Require(IsListed(view, first) && IsListed(view, first + (pages - 1) * 4096));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::uint8_t trouble = data[0];
  ++data;
  --size;
  FakeFirmware::Bytes bytes(data, data + size);
  Boot(bytes, data, size, trouble);
  // The checksum would keep the fuzzer out: give it a good one as well.
  const uint32_t crc = CrcOf({bytes.data(), bytes.size()});
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(crc >> (8 * i)));
  Boot(bytes, data, size, trouble);
  return 0;
}
