#include "tests/lab/poison/trampoline.h"

#include "tests/lab/poison/assembler.h"

namespace seaward::lab {
namespace {

// Fault status codes (ESR_ELx.ISS.DFSC).
constexpr unsigned kExternalAbort = 0x10;
// A word of a guest translation table is bad. The level is not known here: tables that the kernel
// makes out of ordinary pages are nearly always of the last level.
constexpr unsigned kExternalAbortOnWalk = 0x17;
constexpr unsigned kS1ptwBit = 7;  // ESR_ELx.ISS.S1PTW: the abort was on a stage-1 walk

// x10: offset of hpfar, x11: page, x12: list, x13/x15: scratch, x14: offset of esr. All of them are
// free at a function's entry (AAPCS64); x0 holds the vcpu and is kept.
void FindPage(Assembler& a, const VcpuLayout& layout, Assembler::Label list,
              Assembler::Label done) {
  a.MoveImmediate(Reg::kX10, layout.hpfar);
  a.LoadIndexed(Reg::kX11, Reg::kX0, Reg::kX10);
  a.ExtractBits(Reg::kX11, Reg::kX11, 4, 40);  // HPFAR_EL2.FIPA; bit 63 is KVM's own mark
  a.AddressOf(Reg::kX12, list);
  a.LoadAndAdvance(Reg::kX13, Reg::kX12);
  const auto next = a.NewLabel();
  a.Bind(next);
  a.BranchIfZero(Reg::kX13, done);
  a.SubtractImmediate(Reg::kX13, Reg::kX13, 1);
  a.LoadAndAdvance(Reg::kX14, Reg::kX12);
  a.Compare(Reg::kX14, Reg::kX11);
  a.BranchIf(Condition::kNotEqual, next);
}

void RewriteSyndrome(Assembler& a, const VcpuLayout& layout, Assembler::Label done) {
  a.MoveImmediate(Reg::kX14, layout.esr);
  a.LoadIndexed(Reg::kX15, Reg::kX0, Reg::kX14);
  a.ExtractBits(Reg::kX13, Reg::kX15, 2, 4);  // 0b0100xx: an external abort already
  a.CompareImmediate(Reg::kX13, kExternalAbort >> 2);
  a.BranchIf(Condition::kEqual, done);
  a.InsertBits(Reg::kX15, Reg::kZero, 14, 11);  // ISV, SAS, SSE, SRT, SF, AR: not valid for these
  const auto plain = a.NewLabel();
  const auto store = a.NewLabel();
  a.BranchIfBitClear(Reg::kX15, kS1ptwBit, plain);
  // As hardware reports a bad word in a guest table: no S1PTW, no intermediate address.
  a.InsertBits(Reg::kX15, Reg::kZero, kS1ptwBit, 1);
  a.StoreIndexed(Reg::kZero, Reg::kX0, Reg::kX10);
  a.MoveImmediate(Reg::kX13, kExternalAbortOnWalk);
  a.Branch(store);
  a.Bind(plain);
  a.MoveImmediate(Reg::kX13, kExternalAbort);
  a.Bind(store);
  a.InsertBits(Reg::kX15, Reg::kX13, 0, 6);
  a.StoreIndexed(Reg::kX15, Reg::kX0, Reg::kX14);
}

}  // namespace

Result<Trampoline> BuildTrampoline(const VcpuLayout& layout, HostPhysAddr at, HostPhysAddr resume) {
  Assembler a;
  const auto list = a.NewLabel();
  const auto done = a.NewLabel();
  FindPage(a, layout, list, done);
  RewriteSyndrome(a, layout, done);
  a.Bind(done);
  a.BranchAway(static_cast<std::int64_t>(resume.value - (at.value + a.bytes())));
  a.AlignTo8();
  a.Bind(list);
  Trampoline trampoline;
  trampoline.list_offset = a.bytes();
  auto code = a.Finish();
  if (!code) return Forward(code);
  trampoline.code = std::move(*code);
  return trampoline;
}

}  // namespace seaward::lab
