// Replaces bad memory of one VM when the notifier says so: at once, or when the guest is reset.
//
// The guest page gets a fresh, zeroed page; the bad frame stays with this process, out of
// everybody's reach, until the notifier has retired it in the host (own_pages.h). What the notifier
// names must be memory of the VM, by the VM's own slots; what others use as well stays.
//
// Threads: the keeper's (HealOrderTaker), and any thread that resets the guest or changes its
// memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

#include "host-notifier/vmm/heal_orders.h"
#include "host-notifier/vmm/kvm_calls.h"
#include "host-notifier/vmm/memslot_map.h"
#include "host-notifier/vmm/own_pages.h"

namespace seaward::vmm {

class PageHealer final : public HealOrderTaker {
 public:
  // More pages than anybody has seen go bad in one VM, and few enough for a reset to wait for.
  static constexpr std::size_t kMostStanding = 1024;

  // Both outlive it.
  PageHealer(const MemslotMap& memory, KvmCalls& calls) : memory_(memory), calls_(calls) {}

  HealAnswer Take(const HealOrder& order) noexcept override;
  std::vector<HealAnswer> TakeResults() noexcept override;
  void ForgetOrders() noexcept override;
  std::optional<GuestPhysAddr> GuestAddressOf(HostVirtAddr host) noexcept override {
    return memory_.FindGuest(host);
  }

  // Whether a reset has anything to do.
  bool HasStanding() const noexcept { return standing_count_.load(std::memory_order_relaxed) != 0; }
  // The guest is reset and its images are not loaded yet. Waits for no other process.
  void GuestReset(bool vcpus_running) noexcept;

  // Held while the VM's slots change, so that no page is replaced that the VMM has just taken out
  // of the VM and uses for something else.
  std::unique_lock<std::mutex> WhileMemoryChanges() { return std::unique_lock(mutex_); }

 private:
  struct Standing {
    HealOrder order;
    bool locked = false;
  };
  std::optional<HealResult> Misplaced(const HealOrder& order) const noexcept;
  HealResult CarryOut(const HealOrder& order);
  HealResult Keep(const HealOrder& order, bool locked);
  HealResult Replace(const HealOrder& order, const PageToReplace& page) noexcept;
  void CarryOutStanding(bool vcpus_running);

  const MemslotMap& memory_;
  KvmCalls& calls_;
  std::mutex mutex_;
  std::vector<Standing> standing_;
  std::vector<HealAnswer> results_;
  std::atomic<std::size_t> standing_count_{0};  // written under the mutex
};

}  // namespace seaward::vmm
