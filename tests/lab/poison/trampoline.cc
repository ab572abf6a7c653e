#include "tests/lab/poison/trampoline.h"

#include "tests/lab/poison/assembler.h"
#include "tests/lab/poison/host_tables.h"

namespace seaward::lab {
namespace {

// ESR_ELx.ISS.DFSC and IFSC: 0b0001xx, a translation fault of level 0 to 3.
constexpr unsigned kTranslationFault = 0x04;
constexpr unsigned kS1ptwBit = 7;  // ESR_ELx.ISS.S1PTW: the fault was on a stage-1 walk
constexpr int kSlotBytes = 8 * static_cast<int>(kSlotWords);

// All registers used are free at a function's entry (AAPCS64); x0 holds the vcpu and is kept.
// x9: guest page; x10, x11: offset and value of the syndrome; x12: guest; x13: list; x14: slots
// left; x15, x16: scratch. Leaves x13 after the slot that was found.
void FindSlot(Assembler& a, const VcpuLayout& layout, Assembler::Label list,
              Assembler::Label done) {
  a.MoveImmediate(Reg::kX10, layout.esr);
  a.LoadIndexed(Reg::kX11, Reg::kX0, Reg::kX10);
  a.ExtractBits(Reg::kX15, Reg::kX11, 2, 4);
  a.CompareImmediate(Reg::kX15, kTranslationFault >> 2);
  a.BranchIf(Condition::kNotEqual, done);
  a.ReadSystem(Reg::kX9, SystemReg::kHpfarEl2);
  a.ExtractBits(Reg::kX9, Reg::kX9, 4, 40);  // FIPA
  a.ReadSystem(Reg::kX12, SystemReg::kVttbrEl2);
  a.ExtractBits(Reg::kX12, Reg::kX12, 12, 36);  // BADDR
  a.AddressOf(Reg::kX13, list);
  a.LoadAndAdvance(Reg::kX14, Reg::kX13, 8);
  const auto next = a.NewLabel();
  a.Bind(next);
  a.BranchIfZero(Reg::kX14, done);
  a.SubtractImmediate(Reg::kX14, Reg::kX14, 1);
  a.LoadAndAdvance(Reg::kX15, Reg::kX13, kSlotBytes);
  a.Compare(Reg::kX15, Reg::kX9);
  a.BranchIf(Condition::kNotEqual, next);
  a.LoadNear(Reg::kX15, Reg::kX13, 8 - kSlotBytes);
  a.Compare(Reg::kX15, Reg::kX12);
  a.BranchIf(Condition::kNotEqual, next);
  // The poison is the host page's: it counts only while the VMM has that page there. An entry that
  // the host's kernel has made one for a retired page still holds the number, but is not valid.
  a.LoadNear(Reg::kX15, Reg::kX13, 16 - kSlotBytes);
  a.LoadNear(Reg::kX15, Reg::kX15, 0);
  a.BranchIfBitClear(Reg::kX15, kMapsBit, next);
  a.ExtractBits(Reg::kX15, Reg::kX15, 12, 36);
  a.LoadNear(Reg::kX16, Reg::kX13, 24 - kSlotBytes);
  a.Compare(Reg::kX15, Reg::kX16);
  a.BranchIf(Condition::kNotEqual, next);
}

void RewriteSyndrome(Assembler& a) {
  const auto plain = a.NewLabel();
  a.LoadNear(Reg::kX16, Reg::kX13, 32 - kSlotBytes);
  a.BranchIfBitClear(Reg::kX11, kS1ptwBit, plain);
  a.ExtractBits(Reg::kX16, Reg::kX16, 16, 16);
  a.Bind(plain);
  // EA, FnV, SET, VNCR, AR, SF, SRT, SSE, SAS, ISV; CM and WnR stay as the access had them.
  a.InsertBits(Reg::kX11, Reg::kZero, 9, 16);
  a.InsertBits(Reg::kX11, Reg::kZero, kS1ptwBit, 1);
  a.InsertBits(Reg::kX11, Reg::kX16, 0, 6);  // fault status
  a.ExtractBits(Reg::kX16, Reg::kX16, 10, 3);
  a.InsertBits(Reg::kX11, Reg::kX16, 10, 3);  // FnV, SET
  a.StoreIndexed(Reg::kX11, Reg::kX0, Reg::kX10);
}

}  // namespace

Result<std::vector<std::uint32_t>> BuildTrampoline(const VcpuLayout& layout, HostPhysAddr at,
                                                   HostPhysAddr list, std::uint32_t displaced,
                                                   HostPhysAddr resume) {
  Assembler a;
  const auto the_list = a.NewLabel();
  const auto done = a.NewLabel();
  FindSlot(a, layout, the_list, done);
  RewriteSyndrome(a);
  a.Bind(done);
  a.Word(displaced);
  a.BranchAway(static_cast<std::int64_t>(resume.value - (at.value + a.bytes())));
  a.BindAway(the_list, static_cast<std::int64_t>(list.value - at.value));
  return a.Finish();
}

}  // namespace seaward::lab
