#include "guest-agent/app/syscall_filter.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace seaward::agent {
namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// Some exist on one architecture only: an unknown one has a negative number that no rule can meet,
// which libseccomp passes over.
constexpr int kAllowed[] = {
    // The port, sysfs, procfs, the journal.
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(writev),
    SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat),
    SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(faccessat),
    SCMP_SYS(access), SCMP_SYS(readlinkat), SCMP_SYS(readlink), SCMP_SYS(getdents64),
    SCMP_SYS(fcntl), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(rename), SCMP_SYS(unlinkat), SCMP_SYS(unlink),
    SCMP_SYS(mkdirat), SCMP_SYS(mkdir), SCMP_SYS(fchmod),
    // Waiting.
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
    SCMP_SYS(futex), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(signalfd4),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
    // The kernel's device events; `socket` itself below.
    SCMP_SYS(bind), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    // Log records to journald.
    SCMP_SYS(sendto),
    // Memory; mmap and mprotect below.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlockall),
    // The process itself.
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(tgkill), SCMP_SYS(getrandom), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(uname),
    SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrusage),
    // A start, of itself.
    SCMP_SYS(execve), SCMP_SYS(set_tid_address), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(prlimit64), SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(arch_prctl)};

bool AllowListed(scmp_filter_ctx filter) {
  for (const int call : kAllowed)
    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) return false;
  return true;
}

bool AllowConditionally(scmp_filter_ctx filter) {
  const auto no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  const auto a_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                          SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)) == 0 &&
         // To journald, by an agent that has started itself again.
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                          SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
                          SCMP_A1(SCMP_CMP_EQ, SOCK_DGRAM | SOCK_CLOEXEC)) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, a_thread) == 0 &&
         // The journal's thread gives its priority away, when it first runs: after the filter came,
         // on a busy machine.
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sched_setscheduler), 1,
                          SCMP_A1(SCMP_CMP_EQ, SCHED_OTHER)) == 0 &&
         // Its flags lie in memory, where a filter cannot look: the C library then takes clone.
         seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

}  // namespace

Status FilterSystemCalls() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return Fail(ErrorCode::kUnsupported, "a sanitizer makes calls of its own");
#endif
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release);
  if (filter == nullptr) return Fail(ErrorCode::kUnsupported, "no memory for a filter");
  // The journal's thread, too.
  if (seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1) != 0 || !AllowListed(filter.get()) ||
      !AllowConditionally(filter.get()))
    return Fail(ErrorCode::kUnsupported, "system call filter");
  const int failed = seccomp_load(filter.get());
  if (failed != 0) return FailErrno(-failed, "load the system call filter");
  return {};
}

}  // namespace seaward::agent
