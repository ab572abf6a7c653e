#include "tests/support/testd/survivor.h"

#include <setjmp.h>
#include <signal.h>

#include "tests/support/testd/frames.h"

namespace seaward::testd {
namespace {

sigjmp_buf behind_the_page;

void LeaveThePage(int) {
  siglongjmp(behind_the_page, 1);
}

void TryAgain(int) {}

void OnBusError(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

std::uint64_t CountBadPages(const std::byte* area, std::uint64_t count) {
  OnBusError(LeaveThePage);
  volatile std::uint64_t bad = 0;  // survive the jump
  volatile std::uint64_t index = 0;
  while (index < count) {
    const std::byte* page = area + index * PageSize();
    index = index + 1;
    if (sigsetjmp(behind_the_page, 1) == 0) {
      (void)*static_cast<const volatile std::byte*>(page);
    } else {
      bad = bad + 1;
    }
  }
  return bad;
}

void RetryForEver() {
  OnBusError(TryAgain);
}

}  // namespace seaward::testd
