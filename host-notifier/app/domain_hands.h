// What interventions need of the VMs: libvirt's hands, and the notifier's word on whose memory is
// whose. The calls of `done` come on the loop's thread, later or at once.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/uuid.h"
#include "host-notifier/libvirt/domain_orders.h"

namespace seaward {

class DomainHands {
 public:
  virtual ~DomainHands() = default;
  // kUnsupported: not a domain of libvirt's. kClosed: libvirtd is out of reach; nothing was done.
  virtual void Look(const Uuid& vm, std::function<void(Result<DomainState>)> done) = 0;
  virtual void Give(const Uuid& vm, DomainOrder order, std::function<void(Status)> done) = 0;
  virtual void StartDomain(const Uuid& vm, const std::string& xml,
                           std::function<void(Status)> done) = 0;
  // The memory that the VM has now; nullopt: not known (yet).
  virtual std::optional<Uuid> Incarnation(const Uuid& vm) const = 0;
  virtual bool MayRestartTransient(const Uuid& vm) const = 0;
  // The next process of that VM has the same memory, bad pages and all.
  virtual bool HasFixedBacking(const std::string& vm_name) const = 0;
  // The VM was stopped: queues the retirement of this incarnation's frames before the ledger's next
  // write, so that what is done after that write cannot be given them.
  virtual void RetireFrames(const Uuid& vm, const Uuid& incarnation) = 0;
};

}  // namespace seaward
