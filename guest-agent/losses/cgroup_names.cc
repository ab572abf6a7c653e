#include "guest-agent/losses/cgroup_names.h"

#include <sys/stat.h>

#include <filesystem>

namespace seaward::agent {
namespace {

// A machine with more is searched no further: the agent runs before everything else.
constexpr int kMostCgroups = 4096;

std::uint64_t InodeOf(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

std::string CgroupPath(const std::string& root, std::uint64_t inode) {
  if (inode == 0) return {};
  if (InodeOf(root) == inode) return "/";
  std::error_code error;
  int left = kMostCgroups;
  for (std::filesystem::recursive_directory_iterator it(root, error), end;
       !error && it != end && left > 0; it.increment(error)) {
    if (!it->is_directory(error)) continue;
    --left;
    if (InodeOf(it->path().string()) == inode) return it->path().string().substr(root.size());
  }
  return {};
}

}  // namespace seaward::agent
