// Where guest physical memory lies in this process: what KVM_SET_USER_MEMORY_REGION said.
//
// Threads: Set from the VMM's threads, one at a time or not; Find from any vCPU thread, which never
// waits for a Set (a sequence lock; after a few collisions the address is simply unknown).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/units.h"

namespace seaward::vmm {

class MemslotMap {
 public:
  // QEMU uses a few dozen; further slots are not remembered, and their pages have no host address.
  static constexpr std::size_t kMaxSlots = 512;

  struct Slot {
    std::uint32_t id = 0;  // address space << 16 | slot, as KVM counts
    GuestPhysAddr start;
    std::uint64_t length = 0;  // 0 deletes the slot
    HostVirtAddr host;
  };

  // False when the map is full.
  bool Set(const Slot& slot);

  std::optional<HostVirtAddr> Find(GuestPhysAddr address) const noexcept;
  // The other way round; of several slots that show the same memory, one.
  std::optional<GuestPhysAddr> FindGuest(HostVirtAddr address) const noexcept;

 private:
  struct Entry {
    std::atomic<std::uint64_t> id{0};
    std::atomic<std::uint64_t> start{0};
    std::atomic<std::uint64_t> length{0};  // 0 = free
    std::atomic<std::uint64_t> host{0};
  };
  Entry* EntryFor(std::uint32_t id);
  std::optional<HostVirtAddr> Search(GuestPhysAddr address) const noexcept;
  std::optional<GuestPhysAddr> SearchGuest(HostVirtAddr address) const noexcept;
  // What `look` finds while no Set is under way.
  template <class Look>
  auto Undisturbed(Look look) const noexcept -> decltype(look());

  std::mutex writers_;
  std::atomic<std::uint64_t> version_{0};  // odd while an entry changes
  std::atomic<std::size_t> used_{0};       // entries [0, used) were used at least once
  std::array<Entry, kMaxSlots> entries_;
};

}  // namespace seaward::vmm
