// How much memory may still be taken out of use: of the whole machine, and of each NUMA node. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/units.h"
#include "guest-agent/pages/numa_nodes.h"

namespace seaward::agent {

class RetirementBudget {
 public:
  // Without `nodes` the whole machine is one node.
  RetirementBudget(std::uint64_t bytes, unsigned node_percent, std::optional<NumaNodes> nodes)
      : bytes_(bytes), node_percent_(node_percent), nodes_(std::move(nodes)) {}

  // `length` bytes more at `page` would exceed neither.
  bool Allows(GuestPhysAddr page, std::uint64_t length) const;
  void Spend(GuestPhysAddr page, std::uint64_t length);
  void GiveBack(GuestPhysAddr page, std::uint64_t length);
  // The machine has other memory than before; what is spent stays spent.
  void MemoryChanged(std::uint64_t bytes, std::optional<NumaNodes> nodes);

  std::uint64_t spent() const { return spent_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  int NodeOf(GuestPhysAddr page) const { return nodes_ ? nodes_->NodeOf(page) : 0; }

  std::uint64_t bytes_;
  unsigned node_percent_;
  std::optional<NumaNodes> nodes_;
  std::uint64_t spent_ = 0;
  std::map<int, std::uint64_t> spent_of_node_;
};

}  // namespace seaward::agent
