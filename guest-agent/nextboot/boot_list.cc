#include "guest-agent/nextboot/boot_list.h"

namespace seaward::nextboot {
namespace {

bool GoodRange(const ListedRange& range) {
  constexpr uint64_t kTop = uint64_t{1} << kAddressBits;
  if (range.first % kPageBytes != 0 || range.first >= kTop || range.pages == 0) return false;
  return uint64_t{range.pages} * kPageBytes <= kTop - range.first &&
         (range.flags & ~kPerhapsFirmware) == 0;
}

// Ascending, and neighbours are one range: so that one set of pages has one form.
bool Follows(const ListedRange& last, const ListedRange& next) {
  return next.first > last.end();
}

ListedRange ReadRange(FieldReader& fields) {
  ListedRange range;
  range.first = fields.U64();
  range.pages = fields.U32();
  range.flags = fields.U32();
  return range;
}

}  // namespace

bool MachineId::IsNil() const {
  return *this == MachineId{};
}

bool MachineId::operator==(const MachineId& other) const {
  for (size_t i = 0; i < kMachineBytes; ++i)
    if (bytes[i] != other.bytes[i]) return false;
  return true;
}

ListError BootListView::Parse(Bytes bytes) {
  *this = BootListView{};
  if (bytes.size < kListHeaderBytes + 4 || bytes.size > kMaxListBytes) return ListError::kLength;
  FieldReader fields(bytes);
  if (fields.U32() != kListMagic) return ListError::kMagic;
  if (fields.U16() != kFormatVersion) return ListError::kVersion;
  FieldReader tail(Bytes{bytes.data + bytes.size - 4, 4});
  const uint32_t checksum = tail.U32();
  if (CrcOf(Bytes{bytes.data, bytes.size - 4}) != checksum) return ListError::kChecksum;

  const uint16_t reserved = fields.U16();
  MachineId machine;
  MachineId incarnation;
  fields.Copy(machine.bytes, kMachineBytes);
  fields.Copy(incarnation.bytes, kMachineBytes);
  const uint32_t count = fields.U32();
  if (reserved != 0 || fields.U32() != 0 || count > kMaxRanges) return ListError::kField;
  if (bytes.size != kListHeaderBytes + count * kListEntryBytes + 4) return ListError::kLength;
  ListedRange last;
  for (uint32_t i = 0; i < count; ++i) {
    const ListedRange range = ReadRange(fields);
    if (!GoodRange(range)) return ListError::kField;
    if (i > 0 && !Follows(last, range)) return ListError::kOrder;
    last = range;
  }
  bytes_ = bytes;
  count_ = count;
  machine_ = machine;
  incarnation_ = incarnation;
  checksum_ = checksum;
  return ListError::kNone;
}

ListedRange BootListView::operator[](size_t index) const {
  if (index >= count_) return {};
  FieldReader fields(
      Bytes{bytes_.data + kListHeaderBytes + index * kListEntryBytes, kListEntryBytes});
  return ReadRange(fields);
}

size_t WriteBootList(const MachineId& machine, const MachineId& incarnation,
                     const ListedRange* ranges, size_t count, uint8_t* out) {
  if (count > kMaxRanges) return 0;
  FieldWriter fields(out, kMaxListBytes);
  fields.U32(kListMagic);
  fields.U16(kFormatVersion);
  fields.U16(0);
  fields.Copy(machine.bytes, kMachineBytes);
  fields.Copy(incarnation.bytes, kMachineBytes);
  fields.U32(static_cast<uint32_t>(count));
  fields.U32(0);
  for (size_t i = 0; i < count; ++i) {
    if (!GoodRange(ranges[i]) || (i > 0 && !Follows(ranges[i - 1], ranges[i]))) return 0;
    fields.U64(ranges[i].first);
    fields.U32(ranges[i].pages);
    fields.U32(ranges[i].flags);
  }
  fields.U32(CrcOf(Bytes{out, fields.size()}));
  return fields.ok() ? fields.size() : 0;
}

}  // namespace seaward::nextboot
