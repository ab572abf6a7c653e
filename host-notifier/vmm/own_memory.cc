#include "host-notifier/vmm/own_memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <bit>

namespace seaward::vmm {

bool ReadOwnMemory(HostVirtAddr from, std::span<std::byte> to) noexcept {
  const iovec local{to.data(), to.size()};
  const iovec remote{std::bit_cast<void*>(from.value), to.size()};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) ==
         static_cast<ssize_t>(to.size());
}

}  // namespace seaward::vmm
