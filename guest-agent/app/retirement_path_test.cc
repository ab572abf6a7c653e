// The path from the bytes of a report to the verdict, in a program whose memory comes from the
// reserve as the agent's does: what it asks malloc, and the kernel, for.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "guest-agent/app/memory_lock.h"
#include "guest-agent/app/reserved_heap.h"
#include "guest-agent/journal/boot_log.h"
#include "guest-agent/session/agent_session.h"
#include "protocol/codec.h"

namespace seaward::agent {
namespace {

constexpr std::uint64_t kNonce = 1;
constexpr std::uint64_t kFirst = 0x40000000;
constexpr std::size_t kPages = 1000;

// Free pages, each good for one attempt; no memory of its own is taken on the way.
class FreeMemory final : public GuestMemory, public PageOffliner, public SessionEdge {
 public:
  FreeMemory() : retired_(kPages) {}
  Result<PageFlags> FlagsOf(PageFrame frame) override {
    return PageFlags{}.With(retired_[Index(frame.number)] ? PageFlag::kHwpoison : PageFlag::kBuddy);
  }
  Result<MemoryLayout> ReadLayout() override { return Fail(ErrorCode::kUnsupported, ""); }
  int TakeOffline(Verb, GuestPhysAddr page) override {
    retired_[Index(page.value / 4096)] = true;
    ++writes;
    return 0;
  }
  bool SendFrame(std::span<const std::byte>) override { return true; }
  std::uint64_t ChooseNonce() override { return kNonce; }
  std::uint64_t HardwareCorruptedBytes() override { return 0; }
  void OnLive(const protocol::HelloAck&) override {}
  void OnProgress(const RetirementProgress& progress) override {
    for (const auto& record : progress.records)
      retired_bytes += record.outcome == protocol::Outcome::kRetired ? record.range.length() : 0;
  }
  std::vector<protocol::KnownRecord> KnownPages() override { return {}; }
  void OnSynced() override {}
  void OnForgotten(const ByteRange&) override {}
  std::size_t writes = 0;
  std::uint64_t retired_bytes = 0;

 private:
  static std::size_t Index(std::uint64_t frame) { return frame - kFirst / 4096; }
  std::vector<char> retired_;
};

// Beside the reserve: they are the host's, and an agent holds one at a time.
std::array<std::byte, 256 << 10> host_memory;

std::vector<std::span<const std::byte>> Frames() {
  std::uint32_t sequence = 0;
  std::size_t used = 0;
  std::vector<std::span<const std::byte>> frames;
  const auto add = [&](const protocol::Message& message) {
    const auto frame = protocol::EncodeFrame(message, protocol::Nonce{kNonce}, ++sequence).value();
    std::copy(frame.begin(), frame.end(), host_memory.begin() + static_cast<std::ptrdiff_t>(used));
    frames.push_back(std::span(host_memory).subspan(used, frame.size()));
    used += frame.size();
  };
  add(protocol::HelloAck{});
  protocol::Poison all;
  // Far from each other as single pages are: nothing merges.
  for (std::size_t i = 0; i < kPages; ++i)
    all.entries.push_back({.id = i + 1, .range = ByteRange::Granule({kFirst + i * 4096})});
  for (const protocol::Poison& part : protocol::SplitToFit(all)) add(part);
  return frames;
}

long PageFaults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

TEST(RetirementPath, AThousandPagesTakeNothingFromMallocAndNoPageFault) {
  FreeMemory memory;
  const SystemClock clock;
  NoBootLog record;
  PageRetirer retirer(memory, memory, record, clock, PageSize{}, protocol::Stage::kRun);
  RetirementDesk desk(memory, retirer, clock, RetirementLimits{});
  AgentIdentity identity;
  identity.boot_id = Uuid{{std::byte{1}}};
  AgentSession session(identity, SessionLimits{}, clock, desk, memory);
  const auto frames = Frames();
  // As in the agent: what was set aside is there, and the code was run before.
  TouchReserve();
  session.HostConnected();
  session.BytesReceived(frames[0]);
  session.BytesReceived(frames[1]);
  while (session.HasWork()) session.Work();
  ASSERT_GT(memory.writes, 0u);

  const std::uint64_t blocks = UnreservedBlocks();
  const long faults = PageFaults();
  for (std::size_t i = 2; i < frames.size(); ++i) {
    session.BytesReceived(frames[i]);
    while (session.HasWork()) session.Work();
  }
  const long faulted = PageFaults() - faults;
  EXPECT_EQ(UnreservedBlocks(), blocks) << "blocks that came from malloc";
  EXPECT_EQ(memory.writes, kPages);
  EXPECT_EQ(memory.retired_bytes, kPages * 4096);
  // The stack was touched by the first frame. A sanitizer's own memory is not ours to count.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(faulted, 0);
#else
  (void)faulted;
#endif
}

TEST(ReservedHeap, BlocksAreApartAlignedAndComeBack) {
  std::vector<void*> blocks;
  for (const std::size_t bytes : {1u, 32u, 33u, 100u, 4096u, 8192u}) {
    void* const block = TakeReserved(bytes);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t), 0u);
    std::memset(block, 0x5a, bytes);
    blocks.push_back(block);
  }
  for (void* block : blocks) GiveBackReserved(block);
  void* const again = TakeReserved(100);
  EXPECT_EQ(again, blocks[3]);
  GiveBackReserved(again);
}

TEST(ReservedHeap, WhatIsTooLargeAndWhatIsBeyondComesFromMalloc) {
  const std::uint64_t before = UnreservedBlocks();
  void* const large = TakeReserved(8193);
  EXPECT_EQ(UnreservedBlocks(), before + 1);
  GiveBackReserved(large);
  std::vector<void*> all;
  all.reserve(kReservedBytes / 8192 + 1);
  while (UnreservedBlocks() < before + 2) all.push_back(TakeReserved(8192));
  EXPECT_LE(all.size(), kReservedBytes / 8192 + 1);
  for (void* block : all) GiveBackReserved(block);
}

}  // namespace
}  // namespace seaward::agent
