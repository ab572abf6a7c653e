// Memory of a ring: the sealed memfd and its mapping.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::vmm {

// With these a file can neither shrink under a reader (SIGBUS) nor lose the promise later.
int RequiredSeals();

class RingMapping {
 public:
  RingMapping() = default;

  // A zeroed, sealed memfd of `bytes`, mapped shared. Not inherited over fork: a child would be a
  // second producer.
  static Result<RingMapping> CreateSealed(std::size_t bytes);
  // Maps a file that the caller has checked (seals, size).
  static Result<RingMapping> Map(UniqueFd memory, std::size_t bytes);

  std::byte* data() const { return static_cast<std::byte*>(region_.get_address()); }
  std::size_t size() const { return region_.get_size(); }
  int fd() const { return memory_.get(); }

 private:
  UniqueFd memory_;
  boost::interprocess::mapped_region region_;
};

}  // namespace seaward::vmm
