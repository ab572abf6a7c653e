#include "guest-agent/retire/retirement_budget.h"

#include <algorithm>

namespace seaward::agent {

bool RetirementBudget::Allows(GuestPhysAddr page, std::uint64_t length) const {
  if (spent_ + length > bytes_) return false;
  if (!nodes_) return true;
  const int node = NodeOf(page);
  const auto size = nodes_->bytes().find(node);
  if (size == nodes_->bytes().end()) return true;
  const auto spent = spent_of_node_.find(node);
  const std::uint64_t spent_here = spent == spent_of_node_.end() ? 0 : spent->second;
  return spent_here + length <= size->second / 100 * node_percent_;
}

void RetirementBudget::Spend(GuestPhysAddr page, std::uint64_t length) {
  spent_ += length;
  spent_of_node_[NodeOf(page)] += length;
}

void RetirementBudget::GiveBack(GuestPhysAddr page, std::uint64_t length) {
  spent_ -= std::min(length, spent_);
  std::uint64_t& here = spent_of_node_[NodeOf(page)];
  here -= std::min(length, here);
}

void RetirementBudget::MemoryChanged(std::uint64_t bytes, std::optional<NumaNodes> nodes) {
  bytes_ = bytes;
  nodes_ = std::move(nodes);
}

}  // namespace seaward::agent
