// libvirt's hands and the notifier's knowledge, for interventions.
//
// Thread: the loop's.
#pragma once

#include "host-notifier/app/domain_hands.h"

namespace seaward {

class Notifier;

class NotifierHands final : public DomainHands {
 public:
  // It outlives the hands.
  explicit NotifierHands(Notifier& notifier) : notifier_(notifier) {}

  void Look(const Uuid& vm, std::function<void(Result<DomainState>)> done) override;
  void Give(const Uuid& vm, DomainOrder order, std::function<void(Status)> done) override;
  void StartDomain(const Uuid& vm, const std::string& xml,
                   std::function<void(Status)> done) override;
  std::optional<Uuid> Incarnation(const Uuid& vm) const override;
  bool MayRestartTransient(const Uuid& vm) const override;
  bool HasFixedBacking(const std::string& vm_name) const override;
  void RetireFrames(const Uuid& vm, const Uuid& incarnation) override;

 private:
  bool IsDomain(const Uuid& vm) const;

  Notifier& notifier_;
};

}  // namespace seaward
