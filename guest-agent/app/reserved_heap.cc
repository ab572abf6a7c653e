#include "guest-agent/app/reserved_heap.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>

namespace seaward::agent {
namespace {

// A chunk holds blocks of one size: 32, 64, ... 8192 bytes.
constexpr std::size_t kChunkBytes = 8192;
constexpr std::size_t kChunks = kReservedBytes / kChunkBytes;
constexpr std::size_t kSmallest = 32;
constexpr std::size_t kSizes = 9;

struct FreeBlock {
  FreeBlock* next;
};

alignas(4096) std::array<std::byte, kReservedBytes> reserve;
std::array<std::uint8_t, kChunks> size_of_chunk;
std::array<FreeBlock*, kSizes> free_blocks;
std::size_t chunks_used = 0;
std::atomic<std::uint64_t> unreserved{0};
// Not a spin lock: the journal's thread, which may hold it, has no real-time priority, and the
// agent's would keep it from the only CPU.
std::mutex busy;

std::size_t SizeIndex(std::size_t bytes) {
  return bytes <= kSmallest ? 0 : std::bit_width((bytes - 1) / kSmallest);
}

// A fresh chunk, cut into blocks.
bool AddChunk(std::size_t index) {
  if (chunks_used == kChunks) return false;
  const std::size_t block = kSmallest << index;
  std::byte* const chunk = reserve.data() + chunks_used * kChunkBytes;
  size_of_chunk[chunks_used++] = static_cast<std::uint8_t>(index);
  for (std::size_t at = kChunkBytes; at >= block; at -= block) {
    auto* const free_block = reinterpret_cast<FreeBlock*>(chunk + (at - block));
    free_block->next = free_blocks[index];
    free_blocks[index] = free_block;
  }
  return true;
}

void* FromReserve(std::size_t bytes) {
  const std::size_t index = SizeIndex(bytes);
  if (index >= kSizes) return nullptr;
  const std::lock_guard hold(busy);
  if (free_blocks[index] == nullptr && !AddChunk(index)) return nullptr;
  FreeBlock* const block = free_blocks[index];
  free_blocks[index] = block->next;
  return block;
}

bool IsReserved(const void* block) {
  const auto at = reinterpret_cast<std::uintptr_t>(block);
  const auto first = reinterpret_cast<std::uintptr_t>(reserve.data());
  return at >= first && at < first + reserve.size();
}

}  // namespace

void* TakeReserved(std::size_t bytes) {
  if (void* const block = FromReserve(bytes)) return block;
  unreserved.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes);
}

void GiveBackReserved(void* block) {
  if (!IsReserved(block)) return std::free(block);
  const std::lock_guard hold(busy);
  const auto chunk =
      static_cast<std::size_t>(static_cast<std::byte*>(block) - reserve.data()) / kChunkBytes;
  auto* const free_block = static_cast<FreeBlock*>(block);
  FreeBlock*& list = free_blocks[size_of_chunk[chunk]];
  free_block->next = list;
  list = free_block;
}

void TouchReserve() {
  for (std::size_t at = 0; at < reserve.size(); at += 4096) {
    volatile std::byte* const byte = &reserve[at];
    *byte = *byte;
  }
}

std::uint64_t UnreservedBlocks() {
  return unreserved.load(std::memory_order_relaxed);
}

}  // namespace seaward::agent
