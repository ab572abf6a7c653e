#include "guest-agent/app/memory_lock.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace seaward::agent {
namespace {

// A session with a full queue and outbox needs less.
constexpr std::size_t kHeapBytes = 512 << 10;

}  // namespace

Status LockMemory() {
  // Freed memory stays in the process and serves the next allocation without a page fault.
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_MAX, 0);
  // One heap for the journal's thread as well: a second one would reserve 64 MiB, all of it
  // "locked".
  mallopt(M_ARENA_MAX, 1);
  // ONFAULT: pages that are never used are not made resident.
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) return FailErrno(errno, "mlockall");
  const auto heap = std::make_unique<char[]>(kHeapBytes);
  // A plain memset of memory that dies at once would be optimised away.
  explicit_bzero(heap.get(), kHeapBytes);
  return {};
}

}  // namespace seaward::agent
