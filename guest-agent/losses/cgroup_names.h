// The path of a cgroup by its inode.
#pragma once

#include <cstdint>
#include <string>

namespace seaward::agent {

// `root`: "/sys/fs/cgroup". Empty when it is gone, or not among the first thousands.
std::string CgroupPath(const std::string& root, std::uint64_t inode);

}  // namespace seaward::agent
