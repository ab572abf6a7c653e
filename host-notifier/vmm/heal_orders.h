// Who carries out the notifier's orders to replace memory, and answers its questions where it is:
// asked by the keeper, on its thread, and never by a vCPU.
#pragma once

#include <optional>
#include <vector>

#include "host-notifier/vmm/heal_message.h"

namespace seaward::vmm {

class HealOrderTaker {
 public:
  virtual ~HealOrderTaker() = default;
  // Carries the order out, or refuses it, or keeps it until the guest's reset.
  virtual HealAnswer Take(const HealOrder& order) noexcept = 0;
  // What became of orders that were kept, once each. Keeper::Wake asks for it.
  virtual std::vector<HealAnswer> TakeResults() noexcept = 0;
  // Which guest physical address lies there; nothing: it is no memory of the VM.
  virtual std::optional<GuestPhysAddr> GuestAddressOf(HostVirtAddr host) noexcept = 0;
  // The notifier is gone: orders that were kept are void.
  virtual void ForgetOrders() noexcept = 0;
};

}  // namespace seaward::vmm
