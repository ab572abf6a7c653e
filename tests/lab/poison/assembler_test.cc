#include "tests/lab/poison/assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward::lab {
namespace {

using testing::ElementsAre;

// Expected words: GNU as 2.40 for the instruction in the comment.
TEST(Assembler, EncodesEveryInstructionItKnows) {
  Assembler a;
  a.MoveImmediate(Reg::kX10, 0x1a8);
  a.LoadIndexed(Reg::kX11, Reg::kX0, Reg::kX10);
  a.StoreIndexed(Reg::kZero, Reg::kX0, Reg::kX10);
  a.LoadAndAdvance(Reg::kX13, Reg::kX12, 8);
  a.LoadNear(Reg::kX16, Reg::kX13, -16);
  a.ReadSystem(Reg::kX9, SystemReg::kHpfarEl2);
  a.ReadSystem(Reg::kX12, SystemReg::kVttbrEl2);
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
                                              0xf85f01b0,    // ldur x16, [x13, #-16]
                                              0xd53c6089,    // mrs  x9, hpfar_el2
                                              0xd53c210c,    // mrs  x12, vttbr_el2
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

TEST(Assembler, KnowsWhatAFunctionBeginsWith) {
  for (std::uint32_t word : {0xd503233fu, 0xd503245fu, 0xaa1e03e9u, kNop})  // paciasp, bti c, ...
    EXPECT_TRUE(IsBeforeFrame(word)) << word;
  EXPECT_TRUE(MakesFrame(0xd100c3ff));   // sub sp, sp, #0x30
  EXPECT_TRUE(MakesFrame(0xa9be7bfd));   // stp x29, x30, [sp, #-32]!
  EXPECT_FALSE(MakesFrame(0xa9be7bfc));  // stp x28, x30, [sp, #-32]!
  EXPECT_FALSE(MakesFrame(0x14000010));  // b: somebody's patch
  EXPECT_FALSE(IsBeforeFrame(0x14000010));
}

}  // namespace
}  // namespace seaward::lab
