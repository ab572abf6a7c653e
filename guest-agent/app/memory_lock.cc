#include "guest-agent/app/memory_lock.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "guest-agent/app/reserved_heap.h"

namespace seaward::agent {
namespace {

// What is too large for the reserve, or beyond it.
constexpr std::size_t kHeapBytes = 16 << 10;

// The program's own text and constants: what only a start needs (the reader of the configuration,
// the maker of the filter) is not kept in memory; what is needed comes back when it is touched.
int DropStartupPages(dl_phdr_info* object, std::size_t, void*) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    constexpr std::uintptr_t kLargestPage = 65536;
    const std::uintptr_t first =
        (object->dlpi_addr + segment.p_vaddr + kLargestPage - 1) & ~(kLargestPage - 1);
    const std::uintptr_t end =
        (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) & ~(kLargestPage - 1);
    if (first < end) (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void SettleHeap() {
  // Freed memory stays in the process and serves the next allocation without a page fault.
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_MAX, 0);
  // One heap for the journal's thread as well: a second one would reserve 64 MiB, all of it
  // "locked".
  mallopt(M_ARENA_MAX, 1);
}

Status LockMemory() {
  malloc_trim(0);
  dl_iterate_phdr(DropStartupPages, nullptr);
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
