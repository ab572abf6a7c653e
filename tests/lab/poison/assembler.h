// Just enough of an A64 assembler for the poison trampoline: encodings from the Arm Architecture
// Reference Manual (DDI 0487), section C6.2, 64-bit forms only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace seaward::lab {

enum class Reg : std::uint32_t {
  kX0 = 0,
  kX9 = 9,
  kX10,
  kX11,
  kX12,
  kX13,
  kX14,
  kX15,
  kX16,
  kZero = 31
};
// As MRS encodes them.
enum class SystemReg : std::uint32_t { kHpfarEl2 = 0x1c6080, kVttbrEl2 = 0x1c2100 };
enum class Condition : std::uint32_t { kEqual = 0, kNotEqual = 1 };

class Assembler {
 public:
  struct Label {
    std::size_t index = 0;
  };

  Label NewLabel();
  void Bind(Label label);
  // To a place `distance` bytes from the first instruction.
  void BindAway(Label label, std::int64_t distance);

  void MoveImmediate(Reg to, std::uint64_t value);  // movz; below 65536
  void LoadIndexed(Reg to, Reg base, Reg offset);
  void StoreIndexed(Reg from, Reg base, Reg offset);
  void LoadAndAdvance(Reg to, Reg base, unsigned advance);  // ldr to, [base], #advance
  void LoadNear(Reg to, Reg base, int offset);              // ldur; -256 to 255
  void ReadSystem(Reg to, SystemReg from);
  void ExtractBits(Reg to, Reg from, unsigned low, unsigned width);
  void InsertBits(Reg to, Reg from, unsigned low, unsigned width);
  void SubtractImmediate(Reg to, Reg from, unsigned value);
  void Compare(Reg a, Reg b);
  void CompareImmediate(Reg a, unsigned value);
  void AddressOf(Reg to, Label label);
  void Branch(Label label);
  void BranchIf(Condition condition, Label label);
  void BranchIfZero(Reg reg, Label label);
  void BranchIfBitClear(Reg reg, unsigned bit, Label label);
  // To an address `distance` bytes from this instruction.
  void BranchAway(std::int64_t distance);
  // A word that is no instruction of ours: one that was displaced.
  void Word(std::uint32_t word) { Emit(word); }
  std::size_t bytes() const { return code_.size() * 4; }
  // kInvalid when a label was never bound or an operand does not fit.
  Result<std::vector<std::uint32_t>> Finish();

 private:
  enum class Field { kImm26, kImm19, kImm14, kAdr };
  struct Fixup {
    std::size_t at = 0;
    std::size_t label = 0;
    Field field = Field::kImm26;
  };
  void Emit(std::uint32_t word) { code_.push_back(word); }
  void EmitTo(std::uint32_t word, Label label, Field field);

  std::vector<std::uint32_t> code_;
  static constexpr std::int64_t kUnbound = INT64_MIN;
  std::vector<std::int64_t> labels_;  // instruction index
  std::vector<Fixup> fixups_;
  bool fits_ = true;
};

// The word of `b` over `distance` bytes; kInvalid beyond +-128 MiB or unaligned.
Result<std::uint32_t> EncodeBranch(std::int64_t distance);

inline constexpr std::uint32_t kNop = 0xd503201f;
inline constexpr std::uint32_t kReturnZero[] = {0x2a1f03e0, 0xd65f03c0};  // mov w0, wzr; ret
// What a function may begin with before it makes its stack frame: landing pads, the signing of the
// return address, and the tracing hook (mov x9, x30; nop).
bool IsBeforeFrame(std::uint32_t word);
// The same less the signing: up to here every register is as the caller left it.
bool IsLandingPad(std::uint32_t word);
// Makes a stack frame, and does the same wherever it stands: sub sp, sp, #n; stp x29, x30, [sp,
// #-n]!
bool MakesFrame(std::uint32_t word);

}  // namespace seaward::lab
