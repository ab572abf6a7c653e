// One VM's ring and the keeper that offers it to notifiers: what the C API and the interposer hold.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "host-notifier/vmm/keeper.h"
#include "host-notifier/vmm/ring_producer.h"

namespace seaward::vmm {

struct AttachOptions {
  std::string socket_path;
  std::optional<Uuid> claimed_vm;
  RingGeometry geometry;
  HealOrderTaker* orders = nullptr;  // who carries out heal orders; null: nobody, and it is said
};

class AttachedVm {
 public:
  // Succeeds without a notifier.
  static Result<std::unique_ptr<AttachedVm>> Start(const AttachOptions& options,
                                                   Keeper::LineSink log);

  // Whether a notifier is there that does so: a word that a dead one left behind offers nothing.
  bool OffersHostPages() const { return keeper_->state().attached && ring_.OffersHostPages(); }
  bool OffersVerdicts() const { return keeper_->state().attached && ring_.OffersVerdicts(); }

  RingProducer& ring() { return ring_; }
  const RingProducer& ring() const { return ring_; }
  Keeper& keeper() { return *keeper_; }
  const Keeper& keeper() const { return *keeper_; }

 private:
  explicit AttachedVm(RingProducer ring) : ring_(std::move(ring)) {}
  RingProducer ring_;
  std::unique_ptr<Keeper> keeper_;  // ends first: it uses the ring's descriptors
};

}  // namespace seaward::vmm
