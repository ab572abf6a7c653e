#include "tests/lab/poison/kernel_patch.h"

#include <algorithm>

#include "base/byte_codec.h"
#include "tests/lab/poison/assembler.h"

namespace seaward::lab {
namespace {

// The machine may be swamped by its own boot when the stub is asked.
constexpr std::chrono::milliseconds kGdbPatience{10'000};
// How far before the end of the kernel's text the padding is searched.
constexpr std::size_t kPaddingSearch = std::size_t{64} * 1024;

std::vector<std::byte> Bytes(const std::vector<std::uint32_t>& words) {
  std::vector<std::byte> bytes(words.size() * 4);
  ByteWriter out(bytes);
  for (std::uint32_t word : words) out.Put(word);
  return bytes;
}

// The last `bytes` zeros that end at a 16-byte boundary before the end of the text.
Result<HostPhysAddr> FindPadding(GdbClient& gdb, HostPhysAddr end, std::size_t bytes) {
  std::size_t zeros = 0;
  for (std::size_t back = 4096; back <= kPaddingSearch; back += 4096) {
    auto page = gdb.Read({end.value - back}, 4096);
    if (!page) return Forward(page);
    const auto used =
        std::find_if(page->rbegin(), page->rend(), [](std::byte b) { return b != std::byte{0}; });
    zeros += static_cast<std::size_t>(used - page->rbegin());
    if (zeros >= bytes) return HostPhysAddr{(end.value - bytes) & ~std::uint64_t{15}};
    if (used != page->rend()) break;
  }
  return Fail(ErrorCode::kUnsupported, "no room in the padding after the kernel's text");
}

}  // namespace

Result<KernelPatch> KernelPatch::Install(std::string gdb_socket, const KernelPlace& place,
                                         const VcpuLayout& layout) {
  KernelPatch patch(std::move(gdb_socket));
  auto gdb = GdbClient::Connect(patch.gdb_socket_, kGdbPatience);
  if (!gdb) return Forward(gdb);
  auto written = patch.Write(*gdb, place, layout);
  auto detached = gdb->Detach();
  if (!written) return Forward(written);
  if (!detached) return Forward(detached);
  return patch;
}

struct Instruction {
  HostPhysAddr at;
  std::uint32_t word = 0;
};

// The first instruction of a function that is not one of those that `skipped` knows.
Result<Instruction> FirstBehind(GdbClient& gdb, HostPhysAddr function,
                                bool (*skipped)(std::uint32_t)) {
  constexpr std::size_t kWords = 6;
  auto entry = gdb.Read(function, kWords * 4);
  if (!entry) return Forward(entry);
  ByteReader words(*entry);
  for (std::size_t i = 0; i < kWords; ++i) {
    const auto word = words.Get<std::uint32_t>();
    if (!skipped(word)) return Instruction{{function.value + i * 4}, word};
  }
  return Fail(ErrorCode::kUnsupported, "a function of KVM begins in an unknown way");
}

// In a handler the instruction that makes the stack frame, which may be displaced; in the question,
// which is answered at once, the first that does anything.
Status KernelPatch::FindSites(GdbClient& gdb, const KernelPlace& place) {
  for (const HostPhysAddr handler : place.abort_handlers()) {
    auto frame = FirstBehind(gdb, handler, IsBeforeFrame);
    if (!frame) return Forward(frame);
    if (!MakesFrame(frame->word))
      return Fail(ErrorCode::kUnsupported,
                  "KVM's abort handlers begin in an unknown way (patched by somebody else?)");
    sites_.push_back({frame->at, frame->word});
  }
  const auto question = place.huge_mapping_question();
  if (!question) return {};
  auto first = FirstBehind(gdb, *question, IsLandingPad);
  if (!first) return Forward(first);
  sites_.push_back({first->at, first->word});
  return {};
}

Status KernelPatch::Write(GdbClient& gdb, const KernelPlace& place, const VcpuLayout& layout) {
  if (auto found = FindSites(gdb, place); !found) return found;
  const HostPhysAddr anywhere = sites_[0].at;
  auto draft = BuildTrampoline(layout, anywhere, anywhere, kNop, anywhere);  // for its length alone
  if (!draft) return Forward(draft);
  const std::size_t each = (draft->size() * 4 + 15) & ~std::size_t{15};
  const std::size_t bytes = sites_.size() * each + kListBytes;
  auto at = FindPadding(gdb, place.end_of_text(), bytes + 16);
  if (!at) return Forward(at);
  const HostPhysAddr list{at->value + sites_.size() * each};
  std::vector<std::uint32_t> branches;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const HostPhysAddr start{at->value + i * each};
    const bool is_handler = i < place.abort_handlers().size();
    auto code =
        is_handler
            ? BuildTrampoline(layout, start, list, sites_[i].displaced, {sites_[i].at.value + 4})
            : Result<std::vector<std::uint32_t>>({std::begin(kReturnZero), std::end(kReturnZero)});
    if (!code) return Forward(code);
    auto branch = EncodeBranch(static_cast<std::int64_t>(start.value - sites_[i].at.value));
    if (!branch) return Forward(branch);
    branches.push_back(*branch);
    if (auto written = gdb.Write(start, Bytes(*code)); !written) return written;
  }
  code_ = *at;
  code_virtual_ = place.Virtual(*at);
  list_ = list;
  bytes_ = bytes;
  for (std::size_t i = 0; i < sites_.size(); ++i)
    if (auto written = gdb.Write(sites_[i].at, Bytes({branches[i]})); !written) return written;
  return {};
}

// The list is empty: a CPU inside is out after a few dozen instructions, so a later stop finds it
// elsewhere.
Status KernelPatch::Remove() {
  constexpr int kLooks = 20;
  for (int look = 0; look < kLooks && installed(); ++look) {
    auto gdb = GdbClient::Connect(gdb_socket_, kGdbPatience);
    if (!gdb) return Forward(gdb);
    auto wiped = WipeIfUnused(*gdb, look > 0);
    if (auto detached = gdb->Detach(); !detached) return detached;
    if (!wiped) return Forward(wiped);
  }
  if (installed()) return Fail(ErrorCode::kBusy, "a CPU does not leave the trampoline");
  return {};
}

// One stop of the machine. False: the branches are out, the code has to stay a moment longer.
Result<bool> KernelPatch::WipeIfUnused(GdbClient& gdb, bool may_wipe) {
  for (const Site& site : sites_)
    if (auto put = gdb.Write(site.at, Bytes({site.displaced})); !put) return Forward(put);
  auto counters = gdb.ProgramCounters();
  if (!counters) return Forward(counters);
  for (KernelVirtAddr pc : *counters)
    if (pc.value - code_virtual_.value < bytes_) may_wipe = false;
  if (!may_wipe) return false;
  if (auto wiped = gdb.Write(code_, std::vector<std::byte>(bytes_)); !wiped) return Forward(wiped);
  bytes_ = 0;
  return true;
}

}  // namespace seaward::lab
