#include "host-notifier/vmm/attached_vm.h"

namespace seaward::vmm {

Result<std::unique_ptr<AttachedVm>> AttachedVm::Start(const AttachOptions& options,
                                                      Keeper::LineSink log) {
  auto ring = RingProducer::Create(options.geometry);
  if (!ring) return Forward(ring);
  std::unique_ptr<AttachedVm> vm(new AttachedVm(std::move(*ring)));
  KeeperOptions keeper_options;
  keeper_options.socket_path = options.socket_path;
  keeper_options.claimed_vm = options.claimed_vm;
  keeper_options.memory_fd = vm->ring_.memory_fd();
  keeper_options.doorbell_fd = vm->ring_.doorbell_fd();
  keeper_options.ring_bytes = RingBytes(options.geometry);
  keeper_options.orders = options.orders;
  if (options.orders != nullptr) vm->ring_.TakeHealOrders();
  auto keeper = Keeper::Start(std::move(keeper_options), std::move(log));
  if (!keeper) return Forward(keeper);
  vm->keeper_ = std::move(*keeper);
  return vm;
}

}  // namespace seaward::vmm
