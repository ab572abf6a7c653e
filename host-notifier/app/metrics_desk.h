// Answers scrapes: joins what is live with what the ledger counts.
//
// Thread: the loop's.
#pragma once

#include <functional>
#include <string>

#include "host-notifier/app/notifier.h"

namespace seaward {

class MetricsDesk {
 public:
  // Both outlive the desk.
  MetricsDesk(Notifier& notifier, const Clock& clock) : notifier_(notifier), clock_(clock) {}

  void Answer(std::function<void(Result<std::string>)> done);

 private:
  Notifier& notifier_;
  const Clock& clock_;
};

}  // namespace seaward
