// Runs the few A64 instructions that Assembler emits, for tests of what the trampoline does. An
// instruction it does not know ends the run: the test sees it in `stuck_at`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace seaward::lab {

class A64Interpreter {
 public:
  std::map<std::uint64_t, std::uint64_t> memory;  // 64-bit words by address
  std::map<std::uint32_t, std::uint64_t> system;  // by the word of MRS x0
  std::map<std::uint64_t, std::uint32_t> code;    // by address
  std::uint64_t x[32] = {};                       // x[31]: the stack pointer
  std::optional<std::uint64_t> stuck_at;
  std::uint64_t steps = 0;

  void Load(std::uint64_t at, const std::vector<std::uint32_t>& words) {
    for (std::uint32_t word : words) code[at] = word, at += 4;
  }
  // From `pc` until the address `end`.
  void Run(std::uint64_t pc, std::uint64_t end) {
    constexpr std::uint64_t kMostSteps = 10'000;
    for (pc_ = pc; pc_ != end && steps < kMostSteps; ++steps) {
      const auto at = code.find(pc_);
      if (at == code.end() || !Step(at->second)) {
        stuck_at = pc_;
        return;
      }
    }
  }

 private:
  static std::uint64_t Bits(std::uint32_t w, unsigned low, unsigned count) {
    return (w >> low) & ((1u << count) - 1);
  }
  static std::uint64_t Signed(std::uint32_t w, unsigned low, unsigned count) {
    const std::uint64_t value = Bits(w, low, count);
    return (value >> (count - 1)) != 0 ? value | ~std::uint64_t{0} << count : value;
  }
  std::uint64_t Value(std::uint64_t reg) const { return reg == 31 ? 0 : x[reg]; }
  void Set(std::uint64_t reg, std::uint64_t value) {
    if (reg != 31) x[reg] = value;
  }
  bool Jump(bool taken, std::uint64_t distance) {
    pc_ += taken ? distance * 4 : 4;
    return true;
  }
  bool Next() { return Jump(false, 0); }

  bool Step(std::uint32_t w) {
    const auto rd = Bits(w, 0, 5), rn = Bits(w, 5, 5), rm = Bits(w, 16, 5);
    if (w >> 26 == 0x05) return Jump(true, Signed(w, 0, 26));                             // b
    if ((w & 0xff00001e) == 0x54000000) return Jump(zero_ != (w & 1), Signed(w, 5, 19));  // b.eq/ne
    if (w >> 24 == 0xb4) return Jump(Value(rd) == 0, Signed(w, 5, 19));                   // cbz
    if ((w & 0x7f000000) == 0x36000000)                                                   // tbz
      return Jump((Value(rd) >> (Bits(w, 19, 5) | Bits(w, 31, 1) << 5) & 1) == 0, Signed(w, 5, 14));
    if ((w & 0x9f000000) == 0x10000000) {  // adr
      Set(rd, pc_ + (Signed(w, 5, 19) << 2 | Bits(w, 29, 2)));
    } else if ((w & 0xffe00000) == 0xd2800000) {  // movz
      Set(rd, Bits(w, 5, 16));
    } else if ((w & 0xfff00000) == 0xd5300000) {  // mrs
      Set(rd, system[w & ~31u]);
    } else if ((w & 0xffe0fc00) == 0xf8606800) {  // ldr, register offset
      Set(rd, memory[x[rn] + Value(rm)]);
    } else if ((w & 0xffe0fc00) == 0xf8206800) {  // str, register offset
      memory[x[rn] + Value(rm)] = Value(rd);
    } else if ((w & 0xffe00c00) == 0xf8400400) {  // ldr, post-index
      Set(rd, memory[x[rn]]);
      x[rn] += Signed(w, 12, 9);
    } else if ((w & 0xffe00c00) == 0xf8400000) {  // ldur
      Set(rd, memory[x[rn] + Signed(w, 12, 9)]);
    } else if ((w & 0xffc00000) == 0xd1000000) {  // sub, immediate; register 31 is sp here
      x[rd] = x[rn] - Bits(w, 10, 12);
    } else if ((w & 0xffc0001f) == 0xf100001f) {  // cmp, immediate
      zero_ = Value(rn) == Bits(w, 10, 12);
    } else if ((w & 0xffe0fc1f) == 0xeb00001f) {  // cmp, register
      zero_ = Value(rn) == Value(rm);
    } else {
      return MoveBits(w, rd, rn) && Next();
    }
    return Next();
  }

  // ubfm and bfm, in the forms that extract (imms >= immr) and that insert.
  bool MoveBits(std::uint32_t w, std::uint64_t rd, std::uint64_t rn) {
    const bool keeps = (w & 0xffc00000) == 0xb3400000;
    if (!keeps && (w & 0xffc00000) != 0xd3400000) return false;
    const auto immr = Bits(w, 16, 6), imms = Bits(w, 10, 6);
    const bool extracts = imms >= immr;
    const auto width = extracts ? imms - immr + 1 : imms + 1;
    const auto mask = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    const auto to = extracts ? 0 : 64 - immr;
    const auto value = (extracts ? Value(rn) >> immr : Value(rn)) & mask;
    Set(rd, (keeps ? Value(rd) & ~(mask << to) : 0) | value << to);
    return true;
  }

  std::uint64_t pc_ = 0;
  bool zero_ = false;
};

}  // namespace seaward::lab
