// Closes descriptors that a stranger sent. close() of a FUSE file waits for its server, which may
// be the stranger: such descriptors go to a thread of their own, which may then hang alone.
#pragma once

#include <cstddef>
#include <memory>

#include "base/unique_fd.h"

namespace seaward::ring {

class FdDisposer {
 public:
  FdDisposer();
  // Does not wait for a close that hangs.
  ~FdDisposer();
  FdDisposer(const FdDisposer&) = delete;
  FdDisposer& operator=(const FdDisposer&) = delete;

  void Dispose(UniqueFd fd);
  // Descriptors whose close has not returned.
  std::size_t pending() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace seaward::ring
