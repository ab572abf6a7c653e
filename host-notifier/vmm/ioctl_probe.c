/* For artifacts_test.cc: a program with the interposer in it. Exit status 0 when every ioctl does
 * what it does without. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int FailsWith(int fd, unsigned long request, int error) {
  errno = 0;
  return ioctl(fd, request, 0) == -1 && errno == error;
}

static int OtherIoctlsWork(void) {
  int fds[2];
  int waiting = 0;
  if (pipe(fds) != 0 || write(fds[1], "abc", 3) != 3) return 0;
  return ioctl(fds[0], FIONREAD, &waiting) == 0 && waiting == 3 &&
         FailsWith(fds[0], KVM_CREATE_VM, ENOTTY) && FailsWith(fds[0], KVM_RUN, ENOTTY) &&
         FailsWith(-1, KVM_RUN, EBADF) && FailsWith(-1, KVM_CREATE_VM, EBADF);
}

int main(void) {
  int status = 0;
  if (!OtherIoctlsWork()) return 1;
  const pid_t child = fork();
  if (child == 0) _exit(OtherIoctlsWork() ? 0 : 1);
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return 2;
  return 0;
}
