#include "tests/support/testd/heir.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <sstream>

#include "base/unique_fd.h"
#include "tests/support/testd/frames.h"
#include "tests/support/testd/process_memory.h"

namespace seaward::testd {
namespace {

void Say(int fd, const std::string& word) {
  ::send(fd, word.data(), word.size(), MSG_NOSIGNAL);
}

}  // namespace

void HeirBody(int fd, const std::string& argument) {
  pid_t pid = -1;
  std::uint64_t pages = 0;
  std::istringstream(argument) >> pid >> pages;
  cpu_set_t cpus;
  if (::sched_getaffinity(pid, sizeof(cpus), &cpus) == 0)
    ::sched_setaffinity(0, sizeof(cpus), &cpus);
  const UniqueFd life(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // With the page tables that it takes.
  std::byte* const area = MapAnonymous((pages + 1) * PageSize());
  if (!life.valid() || area == nullptr) return;
  area[0] = std::byte{1};
  pollfd end{life.get(), POLLIN, 0};
  Say(fd, "ready");
  while (::poll(&end, 1, -1) != 1) {
  }
  for (std::uint64_t page = 1; page <= pages; ++page) area[page * PageSize()] = std::byte{1};
  Say(fd, "free");
}

}  // namespace seaward::testd
