// The VMM of one VM as a process of its own, so that its end is the end of the VM's memory.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/uuid.h"
#include "tests/support/child_process.h"

namespace seaward::bench {

class SoakVmm {
 public:
  // `program` is soak_bench, which becomes the VMM by RunSoakVmm. Its guest's channel is at
  // `channel`. Returns when that can be connected to.
  static Result<SoakVmm> Start(const std::string& program, const std::string& attach_socket,
                               const std::string& channel, const Uuid& vm);

  // The guest consumes its bad pages [first, first + count). Does not wait.
  Status Consume(std::uint64_t first, std::uint64_t count) const;
  // The channel's listening socket, which stays the VMM's own: who connects finds that process.
  Result<UniqueFd> ChannelListener() const;

 private:
  explicit SoakVmm(testing::ChildProcess process) : process_(std::move(process)) {}

  testing::ChildProcess process_;
};

struct SoakVmmPlan {
  std::string vm;  // UUID; empty: this process is no VMM
  std::string attach_socket;
  std::string channel;
};
// What `soak_bench --vmm` does: publishes what standard input names, and ends with it. The exit
// status.
int RunSoakVmm(const SoakVmmPlan& plan);

}  // namespace seaward::bench
