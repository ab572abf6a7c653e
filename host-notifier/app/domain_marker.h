// Leaves a word in a running domain's metadata.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/uuid.h"
#include "host-notifier/libvirt/domain_mark.h"

namespace seaward {

class DomainMarker {
 public:
  virtual ~DomainMarker() = default;
  // `done` is called on the loop's thread, later, or never when the notifier stops first.
  virtual void WriteMark(const Uuid& domain, const DomainMark& mark,
                         std::function<void(Status)> done) = 0;
};

}  // namespace seaward
