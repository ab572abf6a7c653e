// Which NUMA node a page belongs to, by the memory blocks that sysfs names.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace seaward::agent {

class NumaNodes {
 public:
  // `sys` is "/sys" outside of tests. kUnsupported: the kernel names no blocks or no nodes, so all
  // memory is taken for one.
  static Result<NumaNodes> Read(const std::string& sys);

  // Memory of no node that was there when they were read belongs to node 0.
  int NodeOf(GuestPhysAddr address) const;
  // By node.
  const std::map<int, std::uint64_t>& bytes() const { return bytes_; }

 private:
  std::uint64_t block_bytes_ = 0;
  std::map<std::uint64_t, int> blocks_;  // by number
  std::map<int, std::uint64_t> bytes_;
};

}  // namespace seaward::agent
