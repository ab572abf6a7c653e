#include "host-notifier/vmm/ring_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <boost/interprocess/exceptions.hpp>
#include <cerrno>

namespace seaward::vmm {
namespace {

namespace bi = boost::interprocess;

// What mapped_region wants of a mappable object, for a descriptor that somebody else owns.
class DescriptorSource {
 public:
  explicit DescriptorSource(int fd) : fd_(fd) {}
  bi::mapping_handle_t get_mapping_handle() const {
    return bi::ipcdetail::mapping_handle_from_file_handle(fd_);
  }

 private:
  int fd_;
};

}  // namespace

int RequiredSeals() {
  return F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
}

Result<RingMapping> RingMapping::CreateSealed(std::size_t bytes) {
  UniqueFd memory(::memfd_create("seaward-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return FailErrno(errno, "memfd_create");
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
    return FailErrno(errno, "ftruncate of the ring");
  if (::fcntl(memory.get(), F_ADD_SEALS, RequiredSeals()) != 0)
    return FailErrno(errno, "F_ADD_SEALS");
  auto mapping = Map(std::move(memory), bytes);
  if (mapping && ::madvise(mapping->data(), bytes, MADV_DONTFORK) != 0)
    return FailErrno(errno, "MADV_DONTFORK");
  return mapping;
}

Result<RingMapping> RingMapping::Map(UniqueFd memory, std::size_t bytes) {
  RingMapping mapping;
  try {
    mapping.region_ = bi::mapped_region(DescriptorSource(memory.get()), bi::read_write, 0, bytes);
  } catch (const bi::interprocess_exception& e) {
    return FailErrno(e.get_native_error(), "mapping the ring");
  }
  mapping.memory_ = std::move(memory);
  return mapping;
}

}  // namespace seaward::vmm
