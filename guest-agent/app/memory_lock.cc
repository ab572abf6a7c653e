#include "guest-agent/app/memory_lock.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "guest-agent/app/reserved_heap.h"

namespace seaward::agent {
namespace {

// What is too large for the reserve, or beyond it.
constexpr std::size_t kHeapBytes = 128 << 10;

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
  TouchReserve();
  void* const heap = std::malloc(kHeapBytes);
  // A plain memset of memory that dies at once would be optimised away.
  if (heap != nullptr) explicit_bzero(heap, kHeapBytes);
  std::free(heap);
  return {};
}

}  // namespace seaward::agent
