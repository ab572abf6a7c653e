#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "guest-agent/pages/guest_memory.h"

namespace seaward::agent {
namespace {

using protocol::PageKind;
using testing::ElementsAre;

constexpr std::string_view kArmGuest =
    "00000000-03ffffff : 0.flash flash@0\n"
    "09000000-09000fff : pl011@9000000\n"
    "  09000000-09000fff : 9000000.pl011 pl011@9000000\n"
    "40000000-4fffffff : System RAM\n"
    "  40210000-4186ffff : Kernel code\n"
    "  48000000-4802ffff : reserved\n"
    "50000000-50000fff : reserved\n"
    "50001000-5fffffff : System RAM\n"
    "100000000-13fffffff : virtio0\n"
    "  100000000-107ffffff : System RAM (virtio_mem)\n";

ByteRange Range(std::uint64_t start, std::uint64_t length) {
  return ByteRange::Make(GuestPhysAddr{start}, length).value();
}

TEST(MemoryLayout, TellsRamFromWithheldMemoryAndFromDevices) {
  const auto layout = MemoryLayout::Parse(kArmGuest).value();
  EXPECT_EQ(layout.RoleAt(GuestPhysAddr{0x40210000}), MemoryRole::kSystemRam);
  EXPECT_EQ(layout.RoleAt(GuestPhysAddr{0x48000000}), MemoryRole::kSystemRam);
  EXPECT_EQ(layout.RoleAt(GuestPhysAddr{0x50000fff}), MemoryRole::kWithheld);
  EXPECT_EQ(layout.RoleAt(GuestPhysAddr{0x09000000}), MemoryRole::kNotRam);
  EXPECT_EQ(layout.RoleAt(GuestPhysAddr{0x100000000}), MemoryRole::kSystemRam);
  EXPECT_EQ(layout.RoleAt(GuestPhysAddr{0x108000000}), MemoryRole::kNotRam);
  EXPECT_EQ(layout.system_ram_bytes(), 0x10000000u + 0x0ffff000u + 0x8000000u);
}

TEST(MemoryLayout, CutsARangeAtEveryChangeOfRole) {
  const auto layout = MemoryLayout::Parse(kArmGuest).value();
  EXPECT_THAT(layout.Split(Range(0x4ffff000, 0x3000)),
              ElementsAre(LayoutPiece{Range(0x4ffff000, 0x1000), MemoryRole::kSystemRam},
                          LayoutPiece{Range(0x50000000, 0x1000), MemoryRole::kWithheld},
                          LayoutPiece{Range(0x50001000, 0x1000), MemoryRole::kSystemRam}));
  EXPECT_THAT(layout.Split(Range(0x3ffff000, 0x2000)),
              ElementsAre(LayoutPiece{Range(0x3ffff000, 0x1000), MemoryRole::kNotRam},
                          LayoutPiece{Range(0x40000000, 0x1000), MemoryRole::kSystemRam}));
}

TEST(MemoryLayout, CutsARangeThatEndsAtTheTopOfTheAddressSpace) {
  const auto layout = MemoryLayout::Parse(kArmGuest).value();
  const auto pieces = layout.Split(Range(0x107fff000, ~std::uint64_t{0} - 0x107fff000 + 1));
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].role, MemoryRole::kNotRam);
  EXPECT_EQ(pieces[1].range.last(), ~std::uint64_t{0});
}

TEST(MemoryLayout, RefusesTheZerosThatAnUnprivilegedReaderSees) {
  const auto hidden = MemoryLayout::Parse("00000000-00000000 : System RAM\n");
  ASSERT_FALSE(hidden);
  EXPECT_EQ(hidden.error().code, ErrorCode::kDenied);
  EXPECT_EQ(MemoryLayout::Parse("garbage").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(MemoryLayout::Parse("").error().code, ErrorCode::kInvalid);
}

TEST(MemoryLayout, PassesOverLinesThatItCannotRead) {
  const auto layout = MemoryLayout::Parse("~~~\n40000000-4fffffff : System RAM\nzz-1 : x");
  EXPECT_EQ(layout.value().RoleAt(GuestPhysAddr{0x40000000}), MemoryRole::kSystemRam);
}

PageFlags Flags(std::initializer_list<PageFlag> flags) {
  PageFlags out;
  for (const PageFlag flag : flags) out = out.With(flag);
  return out;
}

TEST(PageFlags, NameTheUseOfAPage) {
  EXPECT_EQ(KindOf(Flags({PageFlag::kBuddy})), PageKind::kFree);
  EXPECT_EQ(KindOf(Flags({PageFlag::kAnonymous, PageFlag::kLru, PageFlag::kMapped})),
            PageKind::kAnonymous);
  EXPECT_EQ(KindOf(Flags({PageFlag::kLru})), PageKind::kFile);
  EXPECT_EQ(KindOf(Flags({PageFlag::kHugetlb, PageFlag::kCompoundHead})), PageKind::kHuge);
  EXPECT_EQ(KindOf(Flags({PageFlag::kTransparentHuge, PageFlag::kAnonymous})),
            PageKind::kTransparentHuge);
  EXPECT_EQ(KindOf(Flags({PageFlag::kSlab})), PageKind::kKernel);
  EXPECT_EQ(KindOf(Flags({PageFlag::kReserved})), PageKind::kReserved);
  EXPECT_EQ(KindOf(Flags({PageFlag::kNoPage})), PageKind::kOffline);
  EXPECT_EQ(KindOf(Flags({PageFlag::kHwpoison, PageFlag::kAnonymous})), PageKind::kHwpoison);
  EXPECT_EQ(KindOf(PageFlags{}), PageKind::kUnknown);
}

TEST(PageFlags, AFlagOnAUsedPageIsNoRetirement) {
  EXPECT_TRUE(PoisonedAndUnused(Flags({PageFlag::kHwpoison})));
  EXPECT_FALSE(PoisonedAndUnused(Flags({PageFlag::kHwpoison, PageFlag::kSlab})));
  EXPECT_FALSE(PoisonedAndUnused(Flags({PageFlag::kHwpoison, PageFlag::kReserved})));
  EXPECT_TRUE(PoisonedAndUnused(Flags({PageFlag::kHwpoison, PageFlag::kAnonymous})));
  EXPECT_FALSE(PoisonedAndUnused(Flags({PageFlag::kHwpoison, PageFlag::kMapped})));
  EXPECT_FALSE(PoisonedAndUnused(Flags({PageFlag::kHwpoison, PageFlag::kLru})));
  EXPECT_FALSE(PoisonedAndUnused(PageFlags{}));
}

TEST(PageSize, WidensARangeToWholePages) {
  for (const std::uint64_t bytes : {4096u, 16384u, 65536u}) {
    const auto pages = PagesAround(Range(0x40011000, 0x1000), PageSize{bytes});
    EXPECT_EQ(pages.start().value % bytes, 0u);
    EXPECT_EQ(pages.length(), bytes);
    EXPECT_TRUE(pages.Contains(GuestPhysAddr{0x40011000}));
  }
}

class ProcGuestMemoryTest : public testing::Test {
 protected:
  ProcGuestMemoryTest() {
    char name[] = "/tmp/swpXXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~ProcGuestMemoryTest() override { std::filesystem::remove_all(root_); }
  void KernelShows(const std::string& file, std::string_view bytes) {
    std::ofstream(root_ + "/" + file) << bytes;
  }
  std::string root_;
};

TEST_F(ProcGuestMemoryTest, ReadsTheEntryOfTheFrame) {
  std::string entries(24, '\0');
  entries[9] = 0x04;  // frame 1: bit 10, BUDDY
  KernelShows("kpageflags", entries);
  ProcGuestMemory memory(root_);
  EXPECT_EQ(memory.FlagsOf(PageFrame{1}).value(), Flags({PageFlag::kBuddy}));
  EXPECT_EQ(memory.FlagsOf(PageFrame{2}).value(), PageFlags{});
}

TEST_F(ProcGuestMemoryTest, AFramePastTheEndHasNoPage) {
  KernelShows("kpageflags", std::string(8, '\0'));
  ProcGuestMemory memory(root_);
  EXPECT_TRUE(memory.FlagsOf(PageFrame{1}).value().Has(PageFlag::kNoPage));
  EXPECT_TRUE(memory.FlagsOf(PageFrame{~std::uint64_t{0}}).value().Has(PageFlag::kNoPage));
}

TEST_F(ProcGuestMemoryTest, AKernelWithoutKpageflagsIsServed) {
  KernelShows("iomem", kArmGuest);
  ProcGuestMemory memory(root_);
  EXPECT_EQ(memory.FlagsOf(PageFrame{1}).error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(memory.ReadLayout());
}

}  // namespace
}  // namespace seaward::agent
