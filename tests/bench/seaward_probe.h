// The whole chain, one page at a time: this process is the VM's VMM (public C API) and watches the
// notifier's control socket for the verdict. One thread.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "base/uuid.h"
#include "seaward/vmm.h"

namespace seaward::bench {

class SeawardProbe {
 public:
  // Returns when the notifier took this VMM and sends its watch lines.
  static Result<SeawardProbe> Attach(const std::string& attach_socket,
                                     const std::string& control_socket, const Uuid& vm,
                                     const Clock& clock);

  // Publishes an exit at `page` and waits for its verdict. The exposure as the notifier measured
  // it: from the exit's time stamp to the verdict `retired` in its hands. An error for other
  // verdicts.
  Result<std::chrono::nanoseconds> Retire(GuestPhysAddr page);

  // Publishes them all, then waits for all verdicts, of whatever kind: until the last one is on the
  // control socket.
  Result<std::chrono::nanoseconds> RetireAll(const std::vector<GuestPhysAddr>& pages);

 private:
  struct Detach {
    void operator()(seaward_vmm* vm) const { seaward_detach(vm); }
  };
  explicit SeawardProbe(const Clock& clock) : clock_(&clock) {}
  Status Publish(GuestPhysAddr page);
  // The next line about a page that has a verdict.
  Result<nlohmann::json> NextVerdict(MonoTime deadline);
  Status Watch(const std::string& control_socket);
  Result<std::string> NextLine(MonoTime deadline);

  const Clock* clock_;
  std::unique_ptr<seaward_vmm, Detach> vm_;
  UniqueFd control_;
  std::string received_;
};

}  // namespace seaward::bench
