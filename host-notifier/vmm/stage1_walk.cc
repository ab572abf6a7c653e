#include "host-notifier/vmm/stage1_walk.h"

namespace seaward::vmm {
namespace {

constexpr int kLastLevel = 3;
constexpr unsigned kDescriptorBits = 3;  // 8 bytes

// Bits [high:low].
constexpr std::uint64_t Field(std::uint64_t value, unsigned high, unsigned low) {
  return value >> low & ((std::uint64_t{1} << (high - low + 1)) - 1);
}
constexpr bool Flag(std::uint64_t value, unsigned bit) {
  return (value >> bit & 1) != 0;
}

enum class Granule : unsigned { k4K = 12, k16K = 14, k64K = 16 };  // log2 of its size

// One half of the address space, as TCR_EL1 and TTBRn_EL1 describe it.
struct Range {
  std::uint64_t ttbr = 0;
  unsigned input_bits = 0;
  Granule granule = Granule::k4K;
  bool top_byte_ignored = false;
  // 52-bit output addresses: how tables are named (LPA2 for 4 and 16 KiB, LPA for 64 KiB).
  bool wide = false;
  bool wide_base = false;
};

unsigned BitsOf(Granule granule) {
  return static_cast<unsigned>(granule);
}

// TCR_EL1.TG0 and TG1 count differently.
std::optional<Granule> GranuleOf(std::uint64_t code, bool upper) {
  switch (code) {
    case 0b00:
      return upper ? std::nullopt : std::optional(Granule::k4K);
    case 0b01:
      return upper ? Granule::k16K : Granule::k64K;
    case 0b10:
      return upper ? Granule::k4K : Granule::k16K;
    default:
      return upper ? std::optional(Granule::k64K) : std::nullopt;
  }
}

// ID_AA64MMFR0_EL1.TGran4, TGran64: 0b1111 = not there; TGran16: 0 = not there. A higher number in
// TGran4 or TGran16 is LPA2.
bool HasGranule(std::uint64_t mmfr0, Granule granule) {
  switch (granule) {
    case Granule::k4K:
      return Field(mmfr0, 31, 28) != 0xf;
    case Granule::k16K:
      return Field(mmfr0, 23, 20) != 0;
    case Granule::k64K:
      return Field(mmfr0, 27, 24) != 0xf;
  }
  return false;
}

bool HasLpa2(std::uint64_t mmfr0, Granule granule) {
  switch (granule) {
    case Granule::k4K:
      return Field(mmfr0, 31, 28) == 1;
    case Granule::k16K:
      return Field(mmfr0, 23, 20) == 2;
    case Granule::k64K:
      return false;
  }
  return false;
}

void SetWidth(Range& range, const TranslationRegisters& r) {
  constexpr std::uint64_t k52Bits = 6;  // TCR_EL1.IPS, ID_AA64MMFR0_EL1.PARange
  const bool ds = Flag(r.tcr_el1, 59) && HasLpa2(r.id_aa64mmfr0_el1, range.granule);
  const bool lpa = range.granule == Granule::k64K && Field(r.id_aa64mmfr0_el1, 3, 0) == k52Bits;
  range.wide = ds || lpa;
  range.wide_base = ds || (lpa && Field(r.tcr_el1, 34, 32) == k52Bits);
}

// The smallest and largest T0SZ, T1SZ (FEAT_LVA, FEAT_LPA2; FEAT_TTST).
bool IsSizeValid(std::uint64_t size, const Range& range) {
  const std::uint64_t smallest = range.granule == Granule::k64K || range.wide ? 12 : 16;
  const std::uint64_t largest = range.granule == Granule::k64K ? 47 : 48;
  return size >= smallest && size <= largest;
}

std::optional<Range> RangeFor(const TranslationRegisters& r, const FailedWalk& walk) {
  const bool upper = Flag(walk.address.value, 55);
  const std::uint64_t tcr = r.tcr_el1;
  if (Flag(tcr, upper ? 23 : 7)) return std::nullopt;  // EPD1, EPD0
  const auto granule = GranuleOf(upper ? Field(tcr, 31, 30) : Field(tcr, 15, 14), upper);
  if (!granule || !HasGranule(r.id_aa64mmfr0_el1, *granule)) return std::nullopt;
  Range range;
  range.ttbr = upper ? r.ttbr1_el1 : r.ttbr0_el1;
  range.granule = *granule;
  SetWidth(range, r);
  const std::uint64_t size = upper ? Field(tcr, 21, 16) : Field(tcr, 5, 0);
  if (!IsSizeValid(size, range)) return std::nullopt;
  range.input_bits = 64 - static_cast<unsigned>(size);
  const bool data_only = Flag(tcr, upper ? 52 : 51);  // TBID1, TBID0
  range.top_byte_ignored = Flag(tcr, upper ? 38 : 37) && !(data_only && walk.instruction);
  return range;
}

// All bits above the range are copies of bit 55.
bool IsInside(const Range& range, GuestVirtAddr address) {
  const unsigned top = range.top_byte_ignored ? 55 : 63;
  const std::uint64_t above = Field(address.value, top, range.input_bits);
  const std::uint64_t ones = Field(~std::uint64_t{0}, top, range.input_bits);
  return above == (Flag(address.value, 55) ? ones : 0);
}

unsigned Stride(const Range& range) {
  return BitsOf(range.granule) - kDescriptorBits;
}

int StartLevel(const Range& range) {
  return kLastLevel -
         static_cast<int>((range.input_bits - 1 - BitsOf(range.granule)) / Stride(range));
}

// The lowest bit of the address that chooses an entry of this level's table.
unsigned LowestIndexBit(const Range& range, int level) {
  return BitsOf(range.granule) + Stride(range) * static_cast<unsigned>(kLastLevel - level);
}

GuestPhysAddr EntryOf(const Range& range, GuestPhysAddr table, GuestVirtAddr address, int level) {
  const unsigned low = LowestIndexBit(range, level);
  const unsigned high = level == StartLevel(range) ? range.input_bits - 1 : low + Stride(range) - 1;
  return GuestPhysAddr{table.value + (Field(address.value, high, low) << kDescriptorBits)};
}

// AArch64.S1TTBaseAddress. The first table may be smaller than a granule.
GuestPhysAddr FirstTable(const Range& range) {
  unsigned size_bits =
      range.input_bits - LowestIndexBit(range, StartLevel(range)) + kDescriptorBits;
  std::uint64_t base = range.ttbr & Field(~std::uint64_t{0}, 47, 0) & ~std::uint64_t{1};
  if (range.wide_base) {
    size_bits = size_bits < 6 ? 6 : size_bits;
    base |= Field(range.ttbr, 5, 2) << 48;
  }
  return GuestPhysAddr{base >> size_bits << size_bits};
}

// The table that a table descriptor names; nullopt for any other descriptor.
std::optional<GuestPhysAddr> NextTable(const Range& range, std::uint64_t descriptor) {
  if (Field(descriptor, 1, 0) != 0b11) return std::nullopt;
  const unsigned low = BitsOf(range.granule);
  if (range.granule == Granule::k64K) {
    const std::uint64_t top = range.wide ? Field(descriptor, 15, 12) << 48 : 0;
    return GuestPhysAddr{top | Field(descriptor, 47, low) << low};
  }
  if (!range.wide) return GuestPhysAddr{Field(descriptor, 47, low) << low};
  return GuestPhysAddr{Field(descriptor, 9, 8) << 50 | Field(descriptor, 49, low) << low};
}

}  // namespace

std::optional<GuestPhysAddr> FindUnreadDescriptor(const TranslationRegisters& registers,
                                                  const FailedWalk& walk,
                                                  GuestTables& tables) noexcept {
  const bool translates = Flag(registers.sctlr_el1, 0);
  const bool big_endian = Flag(registers.sctlr_el1, 25);
  const bool has_128_bit_descriptors = Flag(registers.tcr2_el1, 5);
  if (!translates || has_128_bit_descriptors) return std::nullopt;
  const auto range = RangeFor(registers, walk);
  if (!range || !IsInside(*range, walk.address)) return std::nullopt;
  const int start = StartLevel(*range);
  if (walk.level < start || walk.level > kLastLevel) return std::nullopt;
  GuestPhysAddr table = FirstTable(*range);
  for (int level = start; level < walk.level; ++level) {
    auto descriptor = tables.Read(EntryOf(*range, table, walk.address, level));
    if (!descriptor) return std::nullopt;
    const auto next = NextTable(*range, big_endian ? __builtin_bswap64(*descriptor) : *descriptor);
    if (!next) return std::nullopt;
    table = *next;
  }
  return EntryOf(*range, table, walk.address, walk.level);
}

}  // namespace seaward::vmm
