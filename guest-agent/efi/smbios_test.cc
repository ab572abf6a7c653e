#include "guest-agent/efi/smbios.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace seaward::efi {
namespace {

using nextboot::MachineId;

// The bytes 0..15 in the structure.
constexpr MachineId kAsWritten{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
constexpr MachineId kTurned{{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}};

std::vector<uint8_t> Structure(uint8_t type, size_t length, const std::string& strings) {
  std::vector<uint8_t> bytes(length);
  bytes[0] = type;
  bytes[1] = static_cast<uint8_t>(length);
  for (size_t i = 8; i < length; ++i) bytes[i] = static_cast<uint8_t>(i - 8);
  bytes.insert(bytes.end(), strings.begin(), strings.end());
  bytes.push_back(0);
  bytes.push_back(0);
  return bytes;
}

std::vector<uint8_t> Table() {
  auto table = Structure(0, 24, "vendor");
  for (const auto& next : {Structure(1, 27, "QEMU"), Structure(127, 4, "")})
    table.insert(table.end(), next.begin(), next.end());
  return table;
}

MachineId Find(const std::vector<uint8_t>& table, bool little_endian = true) {
  return FindSystemUuid({table.data(), table.size()}, little_endian);
}

TEST(Smbios, FindsTheUuidInTextOrder) {
  EXPECT_TRUE(Find(Table()) == kTurned);
  EXPECT_TRUE(Find(Table(), false) == kAsWritten);
}

TEST(Smbios, AUuidThatIsNotSetIsNone) {
  for (const int fill : {0x00, 0xff}) {
    auto table = Structure(1, 27, "");
    for (size_t i = 8; i < 24; ++i) table[i] = static_cast<uint8_t>(fill);
    EXPECT_TRUE(Find(table).IsNil());
  }
}

TEST(Smbios, ATableWithoutItOrCutAnywhereIsNone) {
  EXPECT_TRUE(Find(Structure(0, 24, "x")).IsNil());
  EXPECT_TRUE(Find(Structure(127, 4, "")).IsNil());
  EXPECT_TRUE(Find(Structure(1, 8, "")).IsNil());  // of an old version: without the field
  auto after_the_end = Structure(127, 4, "");
  const auto system = Structure(1, 27, "");
  after_the_end.insert(after_the_end.end(), system.begin(), system.end());
  EXPECT_TRUE(Find(after_the_end).IsNil());
  const auto table = Table();
  const size_t uuid_ends = 24 + 8 + 24;
  for (size_t length = 0; length < uuid_ends; ++length) {
    const std::vector<uint8_t> cut(table.begin(), table.begin() + static_cast<long>(length));
    EXPECT_TRUE(Find(cut).IsNil()) << length;
  }
}

TEST(Smbios, ReadsBothKindsOfEntryPoint) {
  std::vector<uint8_t> entry(kSmbiosEntryBytes);
  SmbiosTable table;
  EXPECT_FALSE(ReadSmbiosEntry({entry.data(), entry.size()}, table));
  std::copy_n("_SM3_", 5, entry.begin());
  entry[0x0c] = 100;
  entry[0x13] = 0x40;
  ASSERT_TRUE(ReadSmbiosEntry({entry.data(), entry.size()}, table));
  EXPECT_EQ(table.address, 0x40000000U);
  EXPECT_EQ(table.bytes, 100U);
  EXPECT_TRUE(table.little_endian_uuid);
  EXPECT_FALSE(ReadSmbiosEntry({entry.data(), 10}, table));

  std::fill(entry.begin(), entry.end(), uint8_t{0});
  std::copy_n("_SM_", 4, entry.begin());
  entry[6] = 2;
  entry[7] = 5;
  entry[0x17] = 1;
  entry[0x1b] = 0x7f;
  ASSERT_TRUE(ReadSmbiosEntry({entry.data(), entry.size()}, table));
  EXPECT_EQ(table.address, 0x7f000000U);
  EXPECT_EQ(table.bytes, 0x100U);
  EXPECT_FALSE(table.little_endian_uuid);
  entry[7] = 8;
  ASSERT_TRUE(ReadSmbiosEntry({entry.data(), entry.size()}, table));
  EXPECT_TRUE(table.little_endian_uuid);
}

}  // namespace
}  // namespace seaward::efi
