#include "tests/lab/poison/gdb_packet.h"

#include <gtest/gtest.h>

namespace seaward::lab {
namespace {

TEST(GdbPacket, FramesWithItsChecksum) {
  EXPECT_EQ(EncodeGdbPacket("OK"), "$OK#9a");
  EXPECT_EQ(EncodeGdbPacket(""), "$#00");
  EXPECT_EQ(EncodeGdbPacket("a$b#"),
            "$a}\x04"
            "b}\x03#c4");
}

TEST(GdbPacketReader, CutsAStreamByteByByte) {
  const std::string stream = "+" + EncodeGdbPacket("m40,8") + "-+" + EncodeGdbPacket("x}*#$y");
  GdbPacketReader reader;
  std::vector<std::string> seen;
  for (char c : stream) {
    reader.Append({&c, 1});
    auto packet = reader.Next();
    ASSERT_TRUE(packet);
    if (packet->has_value()) seen.push_back(**packet);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"m40,8", "x}*#$y"}));
}

TEST(GdbPacketReader, ExpandsRunLengths) {
  GdbPacketReader reader;
  reader.Append("$0* #7a");  // '0' and 3 more of it
  EXPECT_EQ(reader.Next().value().value(), "0000");
}

TEST(GdbPacketReader, SkipsADamagedPacketAndGoesOn) {
  GdbPacketReader reader;
  reader.Append("$OK#00$OK#9a");
  EXPECT_EQ(reader.Next().error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(reader.Next().value().value(), "OK");
  EXPECT_FALSE(reader.Next().value().has_value());
}

TEST(GdbPacket, HexBytesGoRound) {
  const std::vector<std::byte> bytes = {std::byte{0}, std::byte{0xd5}, std::byte{0x1f}};
  EXPECT_EQ(ToHex(bytes), "00d51f");
  EXPECT_EQ(FromHex("00d51f").value(), bytes);
  EXPECT_FALSE(FromHex("0"));
  EXPECT_FALSE(FromHex("E1x0"));
}

}  // namespace
}  // namespace seaward::lab
