#include "tests/lab/poison/assembler.h"

namespace seaward::lab {
namespace {

std::uint32_t N(Reg r) {
  return static_cast<std::uint32_t>(r);
}

bool FitsSigned(std::int64_t value, int bits) {
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  return value >= -limit && value < limit;
}

std::uint32_t Low(std::int64_t value, int bits) {
  return static_cast<std::uint32_t>(value) & ((1u << bits) - 1);
}

}  // namespace

Assembler::Label Assembler::NewLabel() {
  labels_.push_back(kUnbound);
  return {labels_.size() - 1};
}

void Assembler::Bind(Label label) {
  labels_[label.index] = static_cast<std::int64_t>(code_.size());
}

void Assembler::BindAway(Label label, std::int64_t distance) {
  fits_ = fits_ && distance % 4 == 0;
  labels_[label.index] = distance / 4;
}

void Assembler::MoveImmediate(Reg to, std::uint64_t value) {
  fits_ = fits_ && value < 0x10000;
  Emit(0xd2800000u | static_cast<std::uint32_t>(value & 0xffff) << 5 | N(to));
}

void Assembler::LoadIndexed(Reg to, Reg base, Reg offset) {
  Emit(0xf8606800u | N(offset) << 16 | N(base) << 5 | N(to));
}

void Assembler::StoreIndexed(Reg from, Reg base, Reg offset) {
  Emit(0xf8206800u | N(offset) << 16 | N(base) << 5 | N(from));
}

void Assembler::LoadAndAdvance(Reg to, Reg base, unsigned advance) {
  fits_ = fits_ && advance < 256;
  Emit(0xf8400400u | advance << 12 | N(base) << 5 | N(to));
}

void Assembler::LoadNear(Reg to, Reg base, int offset) {
  fits_ = fits_ && FitsSigned(offset, 9);
  Emit(0xf8400000u | Low(offset, 9) << 12 | N(base) << 5 | N(to));
}

void Assembler::ReadSystem(Reg to, SystemReg from) {
  Emit(0xd5200000u | static_cast<std::uint32_t>(from) | N(to));
}

void Assembler::ExtractBits(Reg to, Reg from, unsigned low, unsigned width) {
  Emit(0xd3400000u | low << 16 | (low + width - 1) << 10 | N(from) << 5 | N(to));  // ubfm
}

void Assembler::InsertBits(Reg to, Reg from, unsigned low, unsigned width) {
  Emit(0xb3400000u | ((64 - low) % 64) << 16 | (width - 1) << 10 | N(from) << 5 | N(to));  // bfm
}

void Assembler::SubtractImmediate(Reg to, Reg from, unsigned value) {
  fits_ = fits_ && value < 4096;
  Emit(0xd1000000u | value << 10 | N(from) << 5 | N(to));
}

void Assembler::Compare(Reg a, Reg b) {
  Emit(0xeb00001fu | N(b) << 16 | N(a) << 5);
}

void Assembler::CompareImmediate(Reg a, unsigned value) {
  fits_ = fits_ && value < 4096;
  Emit(0xf100001fu | value << 10 | N(a) << 5);
}

void Assembler::AddressOf(Reg to, Label label) {
  EmitTo(0x10000000u | N(to), label, Field::kAdr);
}

void Assembler::Branch(Label label) {
  EmitTo(0x14000000u, label, Field::kImm26);
}

void Assembler::BranchIf(Condition condition, Label label) {
  EmitTo(0x54000000u | static_cast<std::uint32_t>(condition), label, Field::kImm19);
}

void Assembler::BranchIfZero(Reg reg, Label label) {
  EmitTo(0xb4000000u | N(reg), label, Field::kImm19);
}

void Assembler::BranchIfBitClear(Reg reg, unsigned bit, Label label) {
  EmitTo(0x36000000u | (bit >> 5) << 31 | (bit & 31) << 19 | N(reg), label, Field::kImm14);
}

void Assembler::BranchAway(std::int64_t distance) {
  const auto word = EncodeBranch(distance);
  fits_ = fits_ && word.has_value();
  Emit(word.value_or(0));
}

void Assembler::EmitTo(std::uint32_t word, Label label, Field field) {
  fixups_.push_back({code_.size(), label.index, field});
  Emit(word);
}

Result<std::vector<std::uint32_t>> Assembler::Finish() {
  for (const Fixup& fixup : fixups_) {
    if (labels_[fixup.label] == kUnbound)
      return Fail(ErrorCode::kInvalid, "assembler: label not bound");
    const std::int64_t words = labels_[fixup.label] - static_cast<std::int64_t>(fixup.at);
    std::uint32_t& word = code_[fixup.at];
    switch (fixup.field) {
      case Field::kImm26:
        fits_ = fits_ && FitsSigned(words, 26);
        word |= Low(words, 26);
        break;
      case Field::kImm19:
        fits_ = fits_ && FitsSigned(words, 19);
        word |= Low(words, 19) << 5;
        break;
      case Field::kImm14:
        fits_ = fits_ && FitsSigned(words, 14);
        word |= Low(words, 14) << 5;
        break;
      case Field::kAdr:  // bytes; the low two bits (immlo) are 0 here
        fits_ = fits_ && FitsSigned(words, 19);
        word |= Low(words, 19) << 5;
        break;
    }
  }
  fixups_.clear();
  if (!fits_) return Fail(ErrorCode::kInvalid, "assembler: operand out of range");
  return code_;
}

bool IsLandingPad(std::uint32_t word) {
  constexpr std::uint32_t kBtiC = 0xd503245f, kSaveLinkRegister = 0xaa1e03e9;
  return word == kBtiC || word == kSaveLinkRegister || word == kNop;
}

bool IsBeforeFrame(std::uint32_t word) {
  constexpr std::uint32_t kPaciasp = 0xd503233f, kPacibsp = 0xd503237f;
  return IsLandingPad(word) || word == kPaciasp || word == kPacibsp;
}

bool MakesFrame(std::uint32_t word) {
  const bool subtracts = (word & 0xffc003ffu) == 0xd10003ffu;
  const bool stores_pair = (word & 0xffc07fffu) == 0xa9807bfdu;
  return subtracts || stores_pair;
}

Result<std::uint32_t> EncodeBranch(std::int64_t distance) {
  if (distance % 4 != 0 || !FitsSigned(distance / 4, 26))
    return Fail(ErrorCode::kInvalid, "branch out of range");
  return 0x14000000u | Low(distance / 4, 26);
}

}  // namespace seaward::lab
