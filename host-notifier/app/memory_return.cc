#include "host-notifier/app/memory_return.h"

#include <malloc.h>

namespace seaward {

void ReturnMemoryPromptly() {
#ifdef __GLIBC__
  // Setting either of the two ends the library's habit of raising both.
  constexpr int kKept = 256 * 1024;
  static_cast<void>(::mallopt(M_MMAP_THRESHOLD, kKept));
  static_cast<void>(::mallopt(M_TRIM_THRESHOLD, kKept));
  // Two threads, one of which waits for the disk, need no heap each.
  static_cast<void>(::mallopt(M_ARENA_MAX, 1));
#endif
}

void ReturnFreeMemory() {
#ifdef __GLIBC__
  static_cast<void>(::malloc_trim(0));
#endif
}

}  // namespace seaward
