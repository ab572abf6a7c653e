// A library inside somebody else's process leaves errno as it was.
#pragma once

#include <cerrno>

namespace seaward::vmm {

class KeepErrno {
 public:
  KeepErrno() : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

 private:
  int saved_;
};

}  // namespace seaward::vmm
