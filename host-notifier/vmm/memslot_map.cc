#include "host-notifier/vmm/memslot_map.h"

namespace seaward::vmm {
namespace {

constexpr int kReadAttempts = 4;

}  // namespace

// The entry that holds `id`, else a free one, else nothing. Under writers_.
MemslotMap::Entry* MemslotMap::EntryFor(std::uint32_t id) {
  Entry* free = nullptr;
  const std::size_t used = used_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < used; ++i) {
    Entry& entry = entries_[i];
    if (entry.length.load(std::memory_order_relaxed) == 0) {
      if (free == nullptr) free = &entry;
    } else if (entry.id.load(std::memory_order_relaxed) == id) {
      return &entry;
    }
  }
  if (free != nullptr || used == kMaxSlots) return free;
  // Under the sequence lock's odd phase or not does not matter: the new entry is still free.
  used_.store(used + 1, std::memory_order_relaxed);
  return &entries_[used];
}

bool MemslotMap::Set(const Slot& slot) {
  const std::lock_guard lock(writers_);
  Entry* entry = EntryFor(slot.id);
  if (entry == nullptr) return slot.length == 0;
  // Sequence lock without fences: every store is a release, so that none moves before the odd
  // version, and the even one comes last.
  const std::uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  constexpr auto release = std::memory_order_release;
  entry->id.store(slot.id, release);
  entry->start.store(slot.start.value, release);
  entry->host.store(slot.host.value, release);
  entry->length.store(slot.length, release);
  version_.store(version + 2, release);
  return true;
}

template <class Look>
auto MemslotMap::Undisturbed(Look look) const noexcept -> decltype(look()) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const std::uint64_t before = version_.load(std::memory_order_acquire);
    const auto found = look();
    // The search loads with acquire, so this load stays behind it; a value written by a Set brings
    // that Set's odd version with it.
    if (version_.load(std::memory_order_relaxed) == before && before % 2 == 0) return found;
  }
  return std::nullopt;
}

std::optional<HostVirtAddr> MemslotMap::Find(GuestPhysAddr address) const noexcept {
  return Undisturbed([&] { return Search(address); });
}

std::optional<GuestPhysAddr> MemslotMap::FindGuest(HostVirtAddr address) const noexcept {
  return Undisturbed([&] { return SearchGuest(address); });
}

std::optional<HostVirtAddr> MemslotMap::Search(GuestPhysAddr address) const noexcept {
  constexpr auto acquire = std::memory_order_acquire;
  const std::size_t used = used_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < used; ++i) {
    const Entry& entry = entries_[i];
    const std::uint64_t length = entry.length.load(acquire);
    const std::uint64_t start = entry.start.load(acquire);
    if (address.value - start < length)
      return HostVirtAddr{entry.host.load(acquire) + (address.value - start)};
  }
  return std::nullopt;
}

std::optional<GuestPhysAddr> MemslotMap::SearchGuest(HostVirtAddr address) const noexcept {
  constexpr auto acquire = std::memory_order_acquire;
  const std::size_t used = used_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < used; ++i) {
    const Entry& entry = entries_[i];
    const std::uint64_t length = entry.length.load(acquire);
    const std::uint64_t host = entry.host.load(acquire);
    if (address.value - host < length)
      return GuestPhysAddr{entry.start.load(acquire) + (address.value - host)};
  }
  return std::nullopt;
}

}  // namespace seaward::vmm
