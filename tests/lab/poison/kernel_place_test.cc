#include "tests/lab/poison/kernel_place.h"

#include <gtest/gtest.h>

namespace seaward::lab {
namespace {

constexpr std::string_view kIomem =
    "09000000-09000fff : pl011@9000000\n"
    "40000000-bfffffff : System RAM\n"
    "  40210000-4131ffff : Kernel code\n"
    "  41320000-41a5ffff : reserved\n";
constexpr std::string_view kSymbols =
    "ffff800080010000 T _stext\n"
    "ffff80008008b368 t kvm_hyp_handle_dabt_low\n"
    "ffff80008008b630 t kvm_hyp_handle_memory_fault\n"
    "ffff80008008b000 t kvm_handle_guest_sea\n"
    "ffff800081110000 D _etext\n"
    "ffff800080000000 T _text\n"
    "ffff800081120000 d __init_begin\n"
    "ffff800081926c98 B high_memory\n";

TEST(KernelPlace, TurnsSymbolsIntoPhysicalAddresses) {
  const auto place = KernelPlace::Parse(kSymbols, kIomem);
  ASSERT_TRUE(place) << place.error().Text();
  EXPECT_EQ(place->abort_handlers()[0].value, 0x4028b368u);
  EXPECT_EQ(place->abort_handlers()[1].value, 0x4028b630u);
  EXPECT_EQ(place->high_memory().value, 0x41b26c98u);
  EXPECT_EQ(place->end_of_text().value, 0x41310000u);
  EXPECT_EQ(place->Virtual({0x41320000}).value, 0xffff800081120000u);
}

TEST(KernelPlace, RefusesACodeRangeThatStartsElsewhere) {
  std::string moved(kIomem);
  moved.replace(moved.find("40210000"), 8, "40220000");
  EXPECT_FALSE(KernelPlace::Parse(kSymbols, moved));
}

TEST(KernelPlace, SaysThatAnOlderKernelLacksTheCapability) {
  std::string older(kSymbols);
  older.replace(older.find("guest_sea"), 9, "guest_xyz");
  const auto place = KernelPlace::Parse(older, kIomem);
  ASSERT_FALSE(place);
  EXPECT_NE(place.error().Text().find("no capability"), std::string::npos);
}

TEST(KernelPlace, SaysWhatIsMissing) {
  EXPECT_NE(KernelPlace::Parse("", kIomem).error().Text().find("_text"), std::string::npos);
  EXPECT_NE(KernelPlace::Parse(kSymbols, "").error().Text().find("Kernel code"), std::string::npos);
  EXPECT_FALSE(KernelPlace::Parse("0000000000000000 T _stext\n", kIomem));  // read without root
}

}  // namespace
}  // namespace seaward::lab
