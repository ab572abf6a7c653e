// A folder under /tmp that goes away with its owner. The path is short: unix socket paths may have
// 107 bytes at most.
#pragma once

#include <string>

namespace seaward::testing {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace seaward::testing
