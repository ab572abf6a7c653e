#include "guest-agent/preboot/load_option.h"

#include <gtest/gtest.h>

#include <string>

namespace seaward::agent {
namespace {

std::string Hex(const std::vector<std::byte>& bytes) {
  std::string text;
  char two[3];
  for (const std::byte b : bytes) {
    std::snprintf(two, sizeof two, "%02x", std::to_integer<unsigned>(b));
    text += two;
  }
  return text;
}

GptPartition Partition() {
  GptPartition partition{1, 2048, 131072, {}};
  for (std::size_t i = 0; i < 16; ++i) partition.guid[i] = static_cast<std::byte>(0xa0 + i);
  return partition;
}

TEST(LoadOption, IsAsTheSpecificationLaysItOut) {
  EXPECT_EQ(Hex(EncodeLoadOption("Hi", Partition(), "\\a")),
            "01000000"                          // active
            "3800"                              // device path: 42 + 10 + 4
            "480069000000"                      // description
            "04012a00"                          // hard drive
            "01000000"                          // partition
            "0008000000000000"                  // first block
            "0000020000000000"                  // blocks
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"  // signature
            "0202"                              // GPT, GUID
            "04040a00"
            "5c0061000000"  // file path
            "7fff0400");    // end
}

TEST(LoadOption, TellsItsDescription) {
  const auto option = EncodeLoadOption("Seaward: x", Partition(), "\\a");
  EXPECT_EQ(DescriptionOf(option), "Seaward: x");
  for (std::size_t length = 0; length < 6 + 22; ++length)
    EXPECT_FALSE(DescriptionOf(std::span(option).first(length))) << length;
  std::vector<std::byte> endless(4096, std::byte{'x'});
  EXPECT_FALSE(DescriptionOf(endless));
}

TEST(LoadOption, AnOrderIsAListOfNumbers) {
  EXPECT_EQ(Hex(EncodeOrder({0x0001, 0xabcd})), "0100cdab");
  EXPECT_EQ(DecodeOrder(EncodeOrder({5, 1, 65535})), (std::vector<std::uint16_t>{5, 1, 65535}));
  const std::vector<std::byte> odd(3, std::byte{1});
  EXPECT_EQ(DecodeOrder(odd).size(), 1U);
}

TEST(LoadOption, AGuidTurnedTwiceIsItself) {
  const auto guid = Partition().guid;
  EXPECT_EQ(TurnedGuid(TurnedGuid(guid)), guid);
  EXPECT_EQ(TurnedGuid(guid)[0], guid[3]);
}

}  // namespace
}  // namespace seaward::agent
