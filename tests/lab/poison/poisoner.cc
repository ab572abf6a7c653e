#include "tests/lab/poison/poisoner.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_codec.h"
#include "tests/lab/poison/assembler.h"

namespace seaward::lab {
namespace {

// The machine may be swamped by its own boot when the stub is asked.
constexpr std::chrono::milliseconds kGdbPatience{10'000};
// How far before the end of the kernel's text the padding is searched.
constexpr std::size_t kPaddingSearch = 64 * 1024;

constexpr std::uint64_t kOutputAddress = 0x0000fffffffff000;
// Stage-2 leaf at the last level, writable: valid, page, S2AP = 0b11. A stage-1 user entry for the
// same page (the VMM's own) has 0b01 there.
constexpr std::uint64_t kLeafMask = 0xc3;
constexpr std::uint64_t kValid = 1;

std::vector<std::byte> Bytes(const std::vector<std::uint32_t>& words) {
  std::vector<std::byte> bytes(words.size() * 4);
  ByteWriter out(bytes);
  for (std::uint32_t word : words) out.Put(word);
  return bytes;
}

// The patchable nop of a traced function: after the saving of the link register, which a BTI
// landing pad may precede.
Result<HostPhysAddr> FindTracingNop(GdbClient& gdb, HostPhysAddr function) {
  auto entry = gdb.Read(function, 12);
  if (!entry) return Forward(entry);
  ByteReader words(*entry);
  auto previous = words.Get<std::uint32_t>();
  for (std::uint64_t offset = 4; offset < 12; offset += 4) {
    const auto word = words.Get<std::uint32_t>();
    if (previous == kSaveLinkRegister && word == kNop) return HostPhysAddr{function.value + offset};
    previous = word;
  }
  return Fail(ErrorCode::kUnsupported,
              "kvm_handle_guest_abort has no tracing nop (traced or patched by somebody else?)");
}

// The last `bytes` zeros that end at a 16-byte boundary before the end of the text.
Result<HostPhysAddr> FindPadding(GdbClient& gdb, HostPhysAddr end, std::size_t bytes) {
  for (std::size_t back = 4096; back <= kPaddingSearch; back += 4096) {
    auto page = gdb.Read({end.value - back}, 4096);
    if (!page) return Forward(page);
    const auto used =
        std::find_if(page->rbegin(), page->rend(), [](std::byte b) { return b != std::byte{0}; });
    if (static_cast<std::size_t>(used - page->rbegin()) >= bytes)
      return HostPhysAddr{(end.value - back + 4096 - bytes) & ~std::uint64_t{15}};
    if (used != page->rbegin()) break;
  }
  return Fail(ErrorCode::kUnsupported, "no room in the padding after the kernel's text");
}

}  // namespace

Result<Poisoner> Poisoner::Install(std::string gdb_socket, MachineRam ram, const KernelPlace& place,
                                   const VcpuLayout& layout) {
  Poisoner poisoner(std::move(gdb_socket), std::move(ram));
  auto gdb = GdbClient::Connect(poisoner.gdb_socket_, kGdbPatience);
  if (!gdb) return Forward(gdb);
  auto patched = poisoner.Patch(*gdb, place, layout);
  auto detached = gdb->Detach();
  if (!patched) return Forward(patched);
  if (!detached) return Forward(detached);
  return poisoner;
}

Status Poisoner::Patch(GdbClient& gdb, const KernelPlace& place, const VcpuLayout& layout) {
  auto nop = FindTracingNop(gdb, place.abort_handler());
  if (!nop) return Forward(nop);
  const HostPhysAddr resume{nop->value + 4};
  auto draft = BuildTrampoline(layout, resume, resume);  // for its length alone
  if (!draft) return Forward(draft);
  const std::size_t bytes = draft->list_offset + kListBytes;
  auto at = FindPadding(gdb, place.end_of_text(), bytes + 16);
  if (!at) return Forward(at);
  auto code = BuildTrampoline(layout, *at, resume);
  if (!code) return Forward(code);
  auto branch = EncodeBranch(static_cast<std::int64_t>(at->value - nop->value));
  if (!branch) return Forward(branch);
  if (auto written = gdb.Write(*at, Bytes(code->code)); !written) return written;
  site_ = *nop;
  trampoline_ = *at;
  trampoline_virtual_ = place.Virtual(*at);
  list_offset_ = code->list_offset;
  trampoline_bytes_ = bytes;
  return gdb.Write(*nop, Bytes({*branch}));
}

// The count is raised last and lowered first: the kernel reads the list at any time.
Status Poisoner::WriteList() {
  const HostPhysAddr list{trampoline_.value + list_offset_};
  if (auto emptied = ram_.Store(list, 0); !emptied) return emptied;
  std::uint64_t count = 0;
  for (const auto& [page, leaves] : poisoned_) {
    const HostPhysAddr slot{list.value + 8 * ++count};
    if (auto stored = ram_.Store(slot, page.value / kPoisonGranule); !stored) return stored;
  }
  return ram_.Store(list, count);
}

Result<std::vector<HostPhysAddr>> Poisoner::Poison(GuestPhysAddr page, HostPhysAddr backing) {
  page = ByteRange::Granule(page).start();
  backing.value &= kOutputAddress;
  if (!poisoned_.contains(page) && poisoned_.size() == kMaxPages)
    return Fail(ErrorCode::kLimit, fmt::format("more than {} pages", kMaxPages));
  const auto found =
      ram_.FindInTables((page.value / kPoisonGranule) % 512, [&](std::uint64_t word) {
        return (word & kLeafMask) == kLeafMask && (word & kOutputAddress) == backing.value;
      });
  if (found.empty())
    return Fail(ErrorCode::kNotFound,
                fmt::format("unmapped page: no stage-2 leaf maps {:#x} to {:#x}", page.value,
                            backing.value));
  auto& leaves = poisoned_[page];
  if (auto listed = WriteList(); !listed) return Forward(listed);
  for (HostPhysAddr at : found) {
    auto original = ram_.Load(at);
    if (!original) return Forward(original);
    auto changed = ram_.Exchange(at, *original, *original & ~kValid);
    if (!changed) return Forward(changed);
    if (*changed) leaves.push_back({at, *original});
  }
  return found;
}

void Poisoner::RestoreLeaves(std::vector<Leaf>& leaves, RestoreReport& report) {
  for (const Leaf& leaf : leaves) {
    const auto put = ram_.Exchange(leaf.at, leaf.original & ~kValid, leaf.original);
    ++(put && *put ? report.descriptors_restored : report.descriptors_replaced);
  }
  leaves.clear();
}

Status Poisoner::Heal(GuestPhysAddr page) {
  const auto found = poisoned_.find(ByteRange::Granule(page).start());
  if (found == poisoned_.end()) return Fail(ErrorCode::kNotFound, "this page is not poisoned");
  auto leaves = std::move(found->second);
  poisoned_.erase(found);
  if (auto listed = WriteList(); !listed) return listed;
  RestoreReport report;
  RestoreLeaves(leaves, report);
  return {};
}

std::vector<GuestPhysAddr> Poisoner::pages() const {
  std::vector<GuestPhysAddr> out;
  for (const auto& [page, leaves] : poisoned_) out.push_back(page);
  return out;
}

Result<RestoreReport> Poisoner::Restore() {
  RestoreReport report;
  if (trampoline_bytes_ == 0) return report;
  auto poisoned = std::move(poisoned_);
  poisoned_.clear();
  auto emptied = WriteList();
  for (auto& [page, leaves] : poisoned) RestoreLeaves(leaves, report);
  if (!emptied) return Forward(emptied);
  if (auto removed = RemovePatch(); !removed) return Forward(removed);
  report.patch_removed = true;
  return report;
}

// First the branch, then, when no CPU can be inside any more, the code it led to. The list is
// empty: a CPU inside is out after a dozen instructions, so a later stop finds it elsewhere.
Status Poisoner::RemovePatch() {
  constexpr int kLooks = 20;
  for (int look = 0; look < kLooks; ++look) {
    auto gdb = GdbClient::Connect(gdb_socket_, kGdbPatience);
    if (!gdb) return Forward(gdb);
    auto wiped = WipeIfUnused(*gdb, look > 0);
    if (auto detached = gdb->Detach(); !detached) return detached;
    if (!wiped) return Forward(wiped);
    if (*wiped) return {};
  }
  return Fail(ErrorCode::kBusy, "a CPU does not leave the trampoline");
}

// One stop of the machine. False: the branch is out, the code has to stay a moment longer.
Result<bool> Poisoner::WipeIfUnused(GdbClient& gdb, bool may_wipe) {
  if (auto nop = gdb.Write(site_, Bytes({kNop})); !nop) return Forward(nop);
  auto counters = gdb.ProgramCounters();
  if (!counters) return Forward(counters);
  for (KernelVirtAddr pc : *counters)
    if (pc.value - trampoline_virtual_.value < trampoline_bytes_) may_wipe = false;
  if (!may_wipe) return false;
  auto wiped = gdb.Write(trampoline_, std::vector<std::byte>(trampoline_bytes_));
  if (!wiped) return Forward(wiped);
  trampoline_bytes_ = 0;
  return true;
}

}  // namespace seaward::lab
