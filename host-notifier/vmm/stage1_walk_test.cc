#include "host-notifier/vmm/stage1_walk.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace seaward::vmm {
namespace {

using Words = std::vector<std::uint64_t>;

constexpr std::uint64_t kTranslating = 1;  // SCTLR_EL1.M
constexpr std::uint64_t kBigEndian = std::uint64_t{1} << 25;
constexpr std::uint64_t kDs = std::uint64_t{1} << 59;  // TCR_EL1
constexpr std::uint64_t kIps52 = std::uint64_t{6} << 32;
constexpr std::uint64_t kAllGranulesAndLpa2 = 0x10200006;  // TGran4, TGran16, PARange 52 bits
constexpr std::uint64_t kAllGranules = 0x00100005;

class FakeTables final : public GuestTables {
 public:
  std::optional<std::uint64_t> Read(GuestPhysAddr address) noexcept override {
    reads_.push_back(address.value);
    const auto word = words_.find(address.value);
    if (word == words_.end()) return std::nullopt;
    return word->second;
  }
  std::map<std::uint64_t, std::uint64_t> words_;
  Words reads_;
};

// The Arm ARM's translation table levels, "Translation table walk examples" of each granule.
struct Format {
  const char* name;
  unsigned granule_bits;
  std::uint64_t tg0, tg1;
  unsigned size;  // TxSZ
  bool wide;      // 52-bit addresses
  int start;
  std::vector<unsigned> shifts;  // of the index at each level
};

const Format kFormats[] = {
    {"4K, 48 bits", 12, 0, 2, 16, false, 0, {39, 30, 21, 12}},
    {"4K, 39 bits", 12, 0, 2, 25, false, 1, {30, 21, 12}},
    {"4K, 52 bits", 12, 0, 2, 12, true, -1, {48, 39, 30, 21, 12}},
    {"4K, 16 bits", 12, 0, 2, 48, false, 3, {12}},
    {"16K, 48 bits", 14, 2, 1, 16, false, 0, {47, 36, 25, 14}},
    {"16K, 47 bits", 14, 2, 1, 17, false, 1, {36, 25, 14}},
    {"16K, 52 bits", 14, 2, 1, 12, true, 0, {47, 36, 25, 14}},
    {"64K, 48 bits", 16, 1, 3, 16, false, 1, {42, 29, 16}},
    {"64K, 42 bits", 16, 1, 3, 22, false, 2, {29, 16}},
    {"64K, 52 bits", 16, 1, 3, 12, true, 1, {42, 29, 16}},
};

// A guest that uses one format in both halves, and the walk for one address in it.
class Guest {
 public:
  Guest(const Format& format, bool upper) : format_(format), upper_(upper) {
    const unsigned bits = 64 - format.size;
    address_ = upper ? ~std::uint64_t{0} << bits : 0;
    for (std::size_t i = 0; i < format.shifts.size(); ++i) {
      const std::uint64_t table = Table(i);
      // The highest level may have one index bit only; 1 fits everywhere.
      const std::uint64_t index = i == 0 ? 1 : 0x5 + i;
      address_ |= index << format.shifts[i];
      entries_.push_back(table + index * 8);
      if (i + 1 < format.shifts.size()) tables_.words_[entries_[i]] = Descriptor(Table(i + 1));
    }
    std::uint64_t base = Table(0) | std::uint64_t{0xa51d} << 48 | 1;  // ASID, CnP
    if (format.wide) base = (Table(0) & 0xffffffffffff) | (Table(0) >> 48 & 0xf) << 2 | 1;
    (upper ? registers_.ttbr1_el1 : registers_.ttbr0_el1) = base;
    registers_.sctlr_el1 = kTranslating;
    registers_.id_aa64mmfr0_el1 = format.wide ? kAllGranulesAndLpa2 : kAllGranules;
    registers_.tcr_el1 = format.size | format.size << 16 | format.tg0 << 14 | format.tg1 << 30;
    if (format.wide) registers_.tcr_el1 |= kIps52 | (format.granule_bits == 16 ? 0 : kDs);
  }

  std::optional<GuestPhysAddr> Walk(int level, bool instruction = false) {
    tables_.reads_.clear();
    return FindUnreadDescriptor(registers_, {GuestVirtAddr{address_}, level, instruction}, tables_);
  }
  std::uint64_t Entry(int level) const {
    return entries_.at(static_cast<std::size_t>(level - format_.start));
  }

  TranslationRegisters registers_;
  FakeTables tables_;
  std::uint64_t address_ = 0;
  Words entries_;

 private:
  std::uint64_t Table(std::size_t i) const {
    const std::uint64_t top = format_.wide ? std::uint64_t{0xd} << 48 : 0;
    return top + 0x4'8000'0000 + (i + (upper_ ? 16 : 0)) * 0x10'0000;
  }
  std::uint64_t Descriptor(std::uint64_t table) const {
    constexpr std::uint64_t attributes = std::uint64_t{0x18} << 59 | 0b11;  // NSTable..PXNTable
    if (!format_.wide) return table | attributes;
    if (format_.granule_bits == 16)
      return (table & 0xffffffff0000) | (table >> 48 & 0xf) << 12 | attributes;
    return (table & 0x3ffffffffffff) | (table >> 50 & 3) << 8 | attributes;
  }
  const Format& format_;
  const bool upper_;
};

const Format& Ordinary() {
  return kFormats[0];
}

TEST(Stage1Walk, FindsTheDescriptorOfEveryLevelAndNeverLoadsIt) {
  for (const Format& format : kFormats) {
    for (const bool upper : {false, true}) {
      Guest guest(format, upper);
      for (int level = format.start; level <= 3; ++level) {
        const auto found = guest.Walk(level);
        ASSERT_TRUE(found) << format.name << upper << level;
        EXPECT_EQ(found->value, guest.Entry(level)) << format.name << upper << level;
        const auto above = static_cast<std::ptrdiff_t>(level - format.start);
        EXPECT_EQ(guest.tables_.reads_,
                  Words(guest.entries_.begin(), guest.entries_.begin() + above))
            << format.name << upper << level;
      }
    }
  }
}

TEST(Stage1Walk, RefusesALevelThatTheFormatDoesNotHave) {
  for (const Format& format : kFormats) {
    Guest guest(format, false);
    for (int level = -2; level < format.start; ++level)
      EXPECT_FALSE(guest.Walk(level)) << format.name << level;
    EXPECT_FALSE(guest.Walk(4)) << format.name;
    EXPECT_TRUE(guest.tables_.reads_.empty());
  }
}

TEST(Stage1Walk, StopsAtAnEntryThatIsNoTable) {
  for (const std::uint64_t other : {0b00u, 0b01u, 0b10u}) {
    Guest guest(Ordinary(), false);
    guest.tables_.words_[guest.Entry(1)] = 0x480000000 | other;
    EXPECT_FALSE(guest.Walk(3)) << other;
    EXPECT_EQ(guest.tables_.reads_.size(), 2u);
    EXPECT_TRUE(guest.Walk(1)) << "what level 1 holds does not matter for its own failure";
  }
}

TEST(Stage1Walk, StopsAtATableThatCannotBeRead) {
  Guest guest(Ordinary(), true);
  guest.tables_.words_.erase(guest.Entry(0));
  EXPECT_FALSE(guest.Walk(2));
  EXPECT_EQ(guest.tables_.reads_.size(), 1u);
  EXPECT_TRUE(guest.Walk(0));
}

TEST(Stage1Walk, ReadsBigEndianTables) {
  Guest guest(Ordinary(), false);
  for (auto& [address, word] : guest.tables_.words_) word = __builtin_bswap64(word);
  EXPECT_FALSE(guest.Walk(3));
  guest.registers_.sctlr_el1 |= kBigEndian;
  ASSERT_TRUE(guest.Walk(3));
  EXPECT_EQ(guest.Walk(3)->value, guest.Entry(3));
}

TEST(Stage1Walk, RefusesWhereTheGuestDoesNotWalk) {
  Guest off(Ordinary(), false);
  off.registers_.sctlr_el1 = 0;
  EXPECT_FALSE(off.Walk(0)) << "SCTLR_EL1.M";
  for (const bool upper : {false, true}) {
    Guest disabled(Ordinary(), upper);
    disabled.registers_.tcr_el1 |= std::uint64_t{1} << (upper ? 7 : 23);
    EXPECT_TRUE(disabled.Walk(0)) << "the other half's EPD";
    disabled.registers_.tcr_el1 |= std::uint64_t{1} << (upper ? 23 : 7);
    EXPECT_FALSE(disabled.Walk(0)) << "EPD";
  }
  Guest wide_descriptors(Ordinary(), false);
  wide_descriptors.registers_.tcr2_el1 = 1 << 5;
  EXPECT_FALSE(wide_descriptors.Walk(0)) << "TCR2_EL1.D128";
}

TEST(Stage1Walk, RefusesAGranuleThatTheVcpuDoesNotHave) {
  const struct {
    std::size_t format;
    std::uint64_t mmfr0;
  } rows[] = {{0, 0xf0000000}, {4, 0x00000000}, {7, 0x0f000000}};
  for (const auto& row : rows) {
    Guest guest(kFormats[row.format], false);
    EXPECT_TRUE(guest.Walk(2)) << guest.address_;
    guest.registers_.id_aa64mmfr0_el1 = row.mmfr0;
    EXPECT_FALSE(guest.Walk(2)) << kFormats[row.format].name;
  }
  for (const bool upper : {false, true}) {
    Guest reserved(Ordinary(), upper);
    reserved.registers_.tcr_el1 &= ~(std::uint64_t{3} << (upper ? 30 : 14));
    reserved.registers_.tcr_el1 |= upper ? 0 : std::uint64_t{3} << 14;
    EXPECT_FALSE(reserved.Walk(0)) << "reserved TG";
  }
}

TEST(Stage1Walk, RefusesSizesThatDoNotExist) {
  for (const auto& [format, size] : {std::pair{0, 15}, {0, 49}, {7, 11}, {7, 48}, {4, 15}}) {
    Guest guest(kFormats[format], false);
    guest.registers_.tcr_el1 =
        (guest.registers_.tcr_el1 & ~std::uint64_t{0x3f}) | static_cast<std::uint64_t>(size);
    EXPECT_FALSE(guest.Walk(3)) << kFormats[format].name << size;
  }
}

TEST(Stage1Walk, IgnoresTheBitForWideAddressesWithoutTheFeature) {
  Guest guest(Ordinary(), false);
  guest.registers_.tcr_el1 |= kDs;
  ASSERT_TRUE(guest.Walk(3));
  EXPECT_EQ(guest.Walk(3)->value, guest.Entry(3));
}

TEST(Stage1Walk, ChecksThatTheAddressIsInItsHalf) {
  for (const bool upper : {false, true}) {
    const std::uint64_t tag = std::uint64_t{0x5a} << 56;
    Guest guest(Ordinary(), upper);
    guest.address_ ^= std::uint64_t{1} << 50;
    EXPECT_FALSE(guest.Walk(0)) << "between the halves";
    guest.address_ ^= std::uint64_t{1} << 50 | tag;
    EXPECT_FALSE(guest.Walk(0)) << "a tag where the top byte counts";
    guest.registers_.tcr_el1 |= std::uint64_t{1} << (upper ? 38 : 37);  // TBI
    ASSERT_TRUE(guest.Walk(3));
    EXPECT_EQ(guest.Walk(3)->value, guest.Entry(3));
    EXPECT_TRUE(guest.Walk(3, true));
    guest.registers_.tcr_el1 |= std::uint64_t{1} << (upper ? 52 : 51);  // TBID
    EXPECT_TRUE(guest.Walk(3));
    EXPECT_FALSE(guest.Walk(3, true)) << "the top byte counts for instructions";
  }
}

}  // namespace
}  // namespace seaward::vmm
