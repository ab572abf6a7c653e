#include "tests/lab/poison/btf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/lab/poison/btf_fixture.h"

namespace seaward::lab {
namespace {

// struct vcpu { u64 id; union { u64 plain; struct { u64 pad; const arch_t arch; }; }; }
std::vector<std::byte> VcpuBtf() {
  BtfBuilder b;
  const auto u64 = b.Int("u64");
  const auto arch = b.Record(BtfBuilder::kStruct, "arch", {{"mode", u64, 0}, {"esr", u64, 192}});
  const auto alias = b.Alias(BtfBuilder::kTypedef, "arch_t", arch);
  const auto constant = b.Alias(BtfBuilder::kConst, "", alias);
  const auto inner = b.Record(BtfBuilder::kStruct, "", {{"pad", u64, 0}, {"arch", constant, 64}});
  const auto either = b.Record(BtfBuilder::kUnion, "", {{"plain", u64, 0}, {"", inner, 0}});
  b.Record(BtfBuilder::kStruct, "vcpu", {{"id", u64, 0}, {"", either, 64}});
  b.Record(BtfBuilder::kStruct, "flags", {{"x", u64, 3u << 24 | 8}}, true);
  return b.Build();
}

using Path2 = std::array<std::string_view, 2>;
using Path1 = std::array<std::string_view, 1>;

TEST(Btf, AddsOffsetsThroughAnonymousMembersAndAliases) {
  const auto blob = VcpuBtf();
  const auto btf = Btf::Parse(blob);
  ASSERT_TRUE(btf) << btf.error().Text();
  EXPECT_EQ(btf->Offset("vcpu", Path2{"arch", "esr"}).value(), 8u + 8u + 24u);
  EXPECT_EQ(btf->Offset("vcpu", Path1{"plain"}).value(), 8u);
  EXPECT_EQ(btf->Offset("flags", Path1{"x"}).value(), 1u);
}

TEST(Btf, NamesWhatIsMissing) {
  const auto blob = VcpuBtf();
  const auto btf = Btf::Parse(blob);
  ASSERT_TRUE(btf);
  EXPECT_NE(btf->Offset("kvm_vcpu", Path1{"id"}).error().Text().find("kvm_vcpu"),
            std::string::npos);
  EXPECT_NE(btf->Offset("vcpu", Path2{"arch", "far"}).error().Text().find("far"),
            std::string::npos);
}

TEST(Btf, IsFoundInsideAnImage) {
  const auto blob = VcpuBtf();
  std::vector<std::byte> image(1500 + blob.size(), std::byte{0x9f});
  std::copy(blob.begin(), blob.end(), image.begin() + 1000);
  const auto btf = Btf::FindInImage(image);
  ASSERT_TRUE(btf) << btf.error().Text();
  EXPECT_TRUE(btf->Offset("vcpu", Path2{"arch", "esr"}));
  EXPECT_EQ(Btf::FindInImage(std::span(image).first(1000)).error().code, ErrorCode::kNotFound);
}

TEST(Btf, SurvivesEveryCut) {
  const auto blob = VcpuBtf();
  for (std::size_t size = 0; size < blob.size(); ++size)
    EXPECT_FALSE(Btf::Parse(std::span(blob).first(size))) << size;
}

TEST(Btf, SurvivesDamagedBytes) {
  std::mt19937 random(20'250'101);
  const auto good = VcpuBtf();
  for (int i = 0; i < 20'000; ++i) {
    auto bad = good;
    for (int flips = 0; flips < 3; ++flips)
      bad[random() % bad.size()] = static_cast<std::byte>(random());
    if (const auto btf = Btf::Parse(bad)) (void)btf->Offset("vcpu", Path2{"arch", "esr"});
  }
}

}  // namespace
}  // namespace seaward::lab
