#include "guest-agent/nextboot/boot_list.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/crc32c.h"

namespace seaward::nextboot {
namespace {

constexpr MachineId kMachine{{0x5e, 0xa3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}};
constexpr MachineId kIncarnation{{7}};

std::vector<uint8_t> Encoded(const std::vector<ListedRange>& ranges) {
  std::vector<uint8_t> bytes(kMaxListBytes);
  bytes.resize(WriteBootList(kMachine, kIncarnation, ranges.data(), ranges.size(), bytes.data()));
  return bytes;
}

ListError Parsed(const std::vector<uint8_t>& bytes) {
  BootListView view;
  const ListError error = view.Parse({bytes.data(), bytes.size()});
  if (error != ListError::kNone) {
    EXPECT_EQ(view.size(), 0U);
  }
  return error;
}

// Bytes with one 32-bit field changed and a checksum that fits again.
std::vector<uint8_t> With(std::vector<uint8_t> bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
  const uint32_t crc = CrcOf({bytes.data(), bytes.size() - 4});
  for (size_t i = 0; i < 4; ++i) bytes[bytes.size() - 4 + i] = static_cast<uint8_t>(crc >> (8 * i));
  return bytes;
}

const std::vector<ListedRange> kTwo{{0x48048000, 1, 0}, {0x4a000000, 3, kPerhapsFirmware}};

TEST(BootList, SaysWhatWasWritten) {
  const auto bytes = Encoded(kTwo);
  ASSERT_EQ(bytes.size(), kListHeaderBytes + 2 * kListEntryBytes + 4);
  BootListView view;
  ASSERT_EQ(view.Parse({bytes.data(), bytes.size()}), ListError::kNone);
  ASSERT_EQ(view.size(), 2U);
  EXPECT_EQ(view[0], kTwo[0]);
  EXPECT_EQ(view[1], kTwo[1]);
  EXPECT_EQ(view[2], ListedRange{});
  EXPECT_TRUE(view.machine() == kMachine);
  EXPECT_TRUE(view.incarnation() == kIncarnation);
}

TEST(BootList, AnEmptyListAndAFullOneAreLists) {
  EXPECT_EQ(Parsed(Encoded({})), ListError::kNone);
  std::vector<ListedRange> ranges;
  for (uint64_t i = 0; i < kMaxRanges; ++i) ranges.push_back({0x40000000 + i * 0x2000, 1, 0});
  EXPECT_EQ(Encoded(ranges).size(), kMaxListBytes);
  EXPECT_EQ(Parsed(Encoded(ranges)), ListError::kNone);
  ranges.push_back({0x80000000, 1, 0});
  EXPECT_TRUE(Encoded(ranges).empty());
}

TEST(BootList, HasItsBytesInTheDocumentedPlaces) {
  const auto bytes = Encoded(kTwo);
  const std::vector<uint8_t> head{'S', 'W', 'N', 'B', 1, 0, 0, 0, 0x5e, 0xa3};
  EXPECT_EQ(std::memcmp(bytes.data(), head.data(), head.size()), 0);
  EXPECT_EQ(bytes[40], 2);
  const std::vector<uint8_t> second{0, 0, 0, 0x4a, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(std::memcmp(bytes.data() + 64, second.data(), second.size()), 0);
}

TEST(BootList, WhoeverIsTornIsRefusedAtEveryLength) {
  const auto whole = Encoded(kTwo);
  for (size_t length = 0; length < whole.size(); ++length) {
    std::vector<uint8_t> torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_NE(Parsed(torn), ListError::kNone) << length;
    torn.resize(whole.size());  // the rest of the cluster, as it was before
    EXPECT_NE(Parsed(torn), ListError::kNone) << length;
  }
}

TEST(BootList, EveryFlippedBitIsNoticed) {
  const auto whole = Encoded(kTwo);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto flipped = whole;
    flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_NE(Parsed(flipped), ListError::kNone) << bit;
  }
}

TEST(BootList, RefusesFieldsThatBreakTheirRules) {
  const auto good = Encoded(kTwo);
  EXPECT_EQ(Parsed(With(good, 0, 0x12345678)), ListError::kMagic);
  EXPECT_EQ(Parsed(With(good, 4, 2)), ListError::kVersion);
  EXPECT_EQ(Parsed(With(good, 4, 1 | 1U << 16)), ListError::kField);  // reserved
  EXPECT_EQ(Parsed(With(good, 44, 1)), ListError::kField);            // reserved
  EXPECT_EQ(Parsed(With(good, 40, 3)), ListError::kLength);
  EXPECT_EQ(Parsed(With(good, 40, 0xffffffff)), ListError::kField);
  EXPECT_EQ(Parsed(With(good, 48, 0x48048001)), ListError::kField);  // not a page's address
  EXPECT_EQ(Parsed(With(good, 56, 0)), ListError::kField);           // no page at all
  EXPECT_EQ(Parsed(With(good, 52, 0x00100000)), ListError::kField);  // beyond 2^52
  EXPECT_EQ(Parsed(With(good, 60, 2)), ListError::kField);           // a flag of nobody's
  EXPECT_EQ(Parsed(With(good, 48, 0x4a000000)), ListError::kOrder);
  EXPECT_EQ(Parsed(With(good, 48, 0x49fff000)), ListError::kOrder);  // touches: one range
}

TEST(BootList, ARangeMayEndAtTheTopAndNotBeyond) {
  const uint64_t last = (uint64_t{1} << kAddressBits) - kPageBytes;
  EXPECT_EQ(Parsed(Encoded({{last, 1, 0}})), ListError::kNone);
  EXPECT_TRUE(Encoded({{last, 2, 0}}).empty());
}

TEST(BootList, TheWriterRefusesWhatTheReaderWould) {
  EXPECT_TRUE(Encoded({{0x1000, 1, 0}, {0x2000, 1, 0}}).empty());
  EXPECT_TRUE(Encoded({{0x4000, 1, 0}, {0x1000, 1, 0}}).empty());
  EXPECT_TRUE(Encoded({{0x1000, 0, 0}}).empty());
  EXPECT_TRUE(Encoded({{0x1001, 1, 0}}).empty());
}

TEST(BootList, AnotherContentHasAnotherChecksum) {
  const auto one = Encoded({{0x1000, 1, 0}});
  const auto two = Encoded({{0x1000, 2, 0}});
  BootListView a;
  BootListView b;
  ASSERT_EQ(a.Parse({one.data(), one.size()}), ListError::kNone);
  ASSERT_EQ(b.Parse({two.data(), two.size()}), ListError::kNone);
  EXPECT_NE(a.checksum(), b.checksum());
}

TEST(BootList, ItsChecksumIsTheTreesOwn) {
  std::mt19937 random(5);
  for (size_t length = 0; length < 100; ++length) {
    std::vector<uint8_t> bytes(length);
    for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
    EXPECT_EQ(CrcOf({bytes.data(), bytes.size()}), Crc32c(std::as_bytes(std::span(bytes))));
  }
}

}  // namespace
}  // namespace seaward::nextboot
