#include "tests/lab/poison/assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lab/poison/trampoline.h"

namespace seaward::lab {
namespace {

using testing::ElementsAre;

// Expected words: GNU as 2.40 for the instruction in the comment.
TEST(Assembler, EncodesEveryInstructionItKnows) {
  Assembler a;
  a.MoveImmediate(Reg::kX10, 0x1a8);
  a.LoadIndexed(Reg::kX11, Reg::kX0, Reg::kX10);
  a.StoreIndexed(Reg::kZero, Reg::kX0, Reg::kX10);
  a.LoadAndAdvance(Reg::kX13, Reg::kX12);
  a.ExtractBits(Reg::kX11, Reg::kX11, 4, 40);
  a.InsertBits(Reg::kX15, Reg::kZero, 14, 11);
  a.InsertBits(Reg::kX15, Reg::kX13, 0, 6);
  a.SubtractImmediate(Reg::kX13, Reg::kX13, 1);
  a.Compare(Reg::kX14, Reg::kX11);
  a.CompareImmediate(Reg::kX13, 4);
  EXPECT_THAT(a.Finish().value(), ElementsAre(0xd280350a,    // mov  x10, #0x1a8
                                              0xf86a680b,    // ldr  x11, [x0, x10]
                                              0xf82a681f,    // str  xzr, [x0, x10]
                                              0xf840858d,    // ldr  x13, [x12], #8
                                              0xd344ad6b,    // ubfx x11, x11, #4, #40
                                              0xb3722bef,    // bfi  x15, xzr, #14, #11
                                              0xb34015af,    // bfxil x15, x13, #0, #6
                                              0xd10005ad,    // sub  x13, x13, #1
                                              0xeb0b01df,    // cmp  x14, x11
                                              0xf10011bf));  // cmp  x13, #4
}

TEST(Assembler, ResolvesLabelsForwardAndBackward) {
  Assembler a;
  const auto back = a.NewLabel();
  const auto front = a.NewLabel();
  a.Bind(back);
  a.BranchIfZero(Reg::kX13, front);
  a.BranchIf(Condition::kNotEqual, back);
  a.BranchIfBitClear(Reg::kX15, 7, front);
  a.AddressOf(Reg::kX12, front);
  a.Branch(back);
  a.Bind(front);
  EXPECT_THAT(a.Finish().value(), ElementsAre(0xb40000ad,    // cbz  x13, .+20
                                              0x54ffffe1,    // b.ne .-4
                                              0x3638006f,    // tbz  x15, #7, .+12
                                              0x1000004c,    // adr  x12, .+8
                                              0x17fffffc));  // b    .-16
}

TEST(Assembler, RefusesWhatDoesNotFit) {
  Assembler wide;
  wide.MoveImmediate(Reg::kX10, 0x10000);
  EXPECT_FALSE(wide.Finish());
  Assembler unbound;
  unbound.Branch(unbound.NewLabel());
  EXPECT_FALSE(unbound.Finish());
  EXPECT_FALSE(EncodeBranch(1 << 28));
  EXPECT_FALSE(EncodeBranch(2));
  EXPECT_EQ(EncodeBranch(-4).value(), 0x17ffffffu);
}

TEST(Trampoline, EndsWithTheBranchBackAndAnAlignedList) {
  const HostPhysAddr at{0x4131f000};
  const HostPhysAddr resume{0x40291370};
  const auto built = BuildTrampoline({0x9f8, 0xa08}, at, resume);
  ASSERT_TRUE(built);
  EXPECT_EQ(built->list_offset, built->code.size() * 4);
  EXPECT_EQ((at.value + built->list_offset) % 8, 0u);
  EXPECT_EQ(built->code.front(), 0xd281410au);  // mov x10, #0xa08
  std::size_t last = built->code.size() - 1;
  if (built->code[last] == kNop) --last;
  const auto here = static_cast<std::int64_t>(at.value + last * 4);
  EXPECT_EQ(built->code[last],
            EncodeBranch(static_cast<std::int64_t>(resume.value) - here).value());
}

TEST(Trampoline, RefusesOffsetsBeyondOneInstruction) {
  EXPECT_FALSE(BuildTrampoline({0x10000, 0}, {0x41000000}, {0x40000000}));
}

}  // namespace
}  // namespace seaward::lab
