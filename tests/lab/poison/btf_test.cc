#include "tests/lab/poison/btf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "base/byte_codec.h"

namespace seaward::lab {
namespace {

constexpr std::uint32_t kStruct = 4, kUnion = 5, kTypedef = 8, kConst = 10, kInt = 1;

// Writes a BTF section type by type.
class BtfBuilder {
 public:
  struct Member {
    std::string name;
    std::uint32_t type, bits;
  };
  std::uint32_t Int(const std::string& name) { return Type(name, kInt << 24, 8, {64}); }
  std::uint32_t Alias(std::uint32_t kind, const std::string& name, std::uint32_t of) {
    return Type(name, kind << 24, of, {});
  }
  std::uint32_t Record(std::uint32_t kind, const std::string& name, std::vector<Member> members,
                       bool bitfields = false) {
    std::vector<std::uint32_t> words;
    for (const Member& m : members) {
      words.push_back(Text(m.name));
      words.push_back(m.type);
      words.push_back(m.bits);
    }
    const auto count = static_cast<std::uint32_t>(members.size());
    return Type(name, kind << 24 | count | (bitfields ? 1u << 31 : 0), 64, words);
  }
  std::vector<std::byte> Build() const {
    std::vector<std::byte> out(24 + types_.size() * 4 + strings_.size());
    ByteWriter w(out);
    w.Put<std::uint16_t>(0xeb9f);
    w.Put<std::uint8_t>(1);
    w.Put<std::uint8_t>(0);
    w.Put<std::uint32_t>(24);
    w.Put<std::uint32_t>(0);
    w.Put(static_cast<std::uint32_t>(types_.size() * 4));
    w.Put(static_cast<std::uint32_t>(types_.size() * 4));
    w.Put(static_cast<std::uint32_t>(strings_.size()));
    for (std::uint32_t word : types_) w.Put(word);
    w.PutText(strings_);
    return out;
  }

 private:
  std::uint32_t Text(const std::string& text) {
    if (text.empty()) return 0;
    const auto at = static_cast<std::uint32_t>(strings_.size());
    strings_ += text + '\0';
    return at;
  }
  std::uint32_t Type(const std::string& name, std::uint32_t info, std::uint32_t link,
                     const std::vector<std::uint32_t>& trailer) {
    types_.insert(types_.end(), {Text(name), info, link});
    types_.insert(types_.end(), trailer.begin(), trailer.end());
    return ++count_;
  }
  std::vector<std::uint32_t> types_;
  std::string strings_ = std::string(1, '\0');
  std::uint32_t count_ = 0;
};

// struct vcpu { u64 id; union { u64 plain; struct { u64 pad; const arch_t arch; }; }; }
std::vector<std::byte> VcpuBtf() {
  BtfBuilder b;
  const auto u64 = b.Int("u64");
  const auto arch = b.Record(kStruct, "arch", {{"mode", u64, 0}, {"esr", u64, 192}});
  const auto alias = b.Alias(kTypedef, "arch_t", arch);
  const auto constant = b.Alias(kConst, "", alias);
  const auto inner = b.Record(kStruct, "", {{"pad", u64, 0}, {"arch", constant, 64}});
  const auto either = b.Record(kUnion, "", {{"plain", u64, 0}, {"", inner, 0}});
  b.Record(kStruct, "vcpu", {{"id", u64, 0}, {"", either, 64}});
  b.Record(kStruct, "flags", {{"x", u64, 3u << 24 | 8}}, true);
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
