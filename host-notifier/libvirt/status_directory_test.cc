#include "host-notifier/libvirt/status_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace seaward {
namespace {

// Stands in for QEMU: a process that holds the lock on its pid file, as libvirt arranges it.
class LockHolder {
 public:
  explicit LockHolder(const std::string& pid_file) {
    int ready[2];
    EXPECT_EQ(0, ::pipe(ready));
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int fd = ::open(pid_file.c_str(), O_RDWR | O_CREAT, 0644);
      struct flock lock {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      const std::string text = std::to_string(::getpid());
      const bool ok = ::fcntl(fd, F_SETLK, &lock) == 0 && ::write(fd, text.data(), text.size()) > 0;
      ::write(ready[1], ok ? "y" : "n", 1) == 1 ? ::pause() : 0;
      ::_exit(0);
    }
    char answer = 'n';
    EXPECT_EQ(1, ::read(ready[0], &answer, 1));
    EXPECT_EQ('y', answer);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~LockHolder() { Die(); }
  void Die() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

class StatusDirectoryTest : public ::testing::Test {
 protected:
  StatusDirectoryTest() {
    char name[] = "/tmp/swstXXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~StatusDirectoryTest() override { std::filesystem::remove_all(folder_); }

  void LibvirtRecords(const std::string& name, pid_t pid) {
    std::ofstream(folder_ + "/" + name + ".xml")
        << "<domstatus pid='" << pid << "'><domain><name>" << name
        << "</name><uuid>4752b4d4-3c01-46c4-ba2c-ef1d19b32cc8</uuid></domain></domstatus>";
    ::chmod((folder_ + "/" + name + ".xml").c_str(), 0600);
  }

  std::string folder_;
};

TEST_F(StatusDirectoryTest, FindsTheDomainOfALiveProcess) {
  const LockHolder qemu(folder_ + "/web1.pid");
  LibvirtRecords("web1", qemu.pid());
  const StatusDirectory status(folder_, "c");
  const auto found = status.FindByPid(qemu.pid());
  ASSERT_TRUE(found) << found.error().Text();
  EXPECT_EQ("web1", found->domain.name);
  const auto by_name = status.FindByName("web1");
  ASSERT_TRUE(by_name);
  EXPECT_EQ(qemu.pid(), by_name->pid);
}

TEST_F(StatusDirectoryTest, KnowsNothingOfOtherProcesses) {
  const LockHolder qemu(folder_ + "/web1.pid");
  LibvirtRecords("web1", qemu.pid());
  const auto found = StatusDirectory(folder_, "c").FindByPid(::getpid());
  ASSERT_FALSE(found);
  EXPECT_EQ(ErrorCode::kNotFound, found.error().code);
}

TEST_F(StatusDirectoryTest, RefusesAPidWhoseProcessNoLongerHoldsTheLock) {
  LockHolder qemu(folder_ + "/web1.pid");
  const pid_t reused = qemu.pid();
  LibvirtRecords("web1", reused);
  qemu.Die();
  const auto found = StatusDirectory(folder_, "c").FindByPid(reused);
  ASSERT_FALSE(found);
  EXPECT_EQ(ErrorCode::kDenied, found.error().code);
}

TEST_F(StatusDirectoryTest, RefusesAFileThatOthersMayWrite) {
  const LockHolder qemu(folder_ + "/web1.pid");
  LibvirtRecords("web1", qemu.pid());
  ::chmod((folder_ + "/web1.xml").c_str(), 0666);
  const auto found = StatusDirectory(folder_, "c").FindByPid(qemu.pid());
  ASSERT_FALSE(found);
  EXPECT_EQ(ErrorCode::kDenied, found.error().code);
}

TEST_F(StatusDirectoryTest, RefusesASymbolicLink) {
  const LockHolder qemu(folder_ + "/web1.pid");
  LibvirtRecords("real", qemu.pid());
  std::filesystem::create_symlink(folder_ + "/real.xml", folder_ + "/web1.xml");
  EXPECT_FALSE(StatusDirectory(folder_, "c").FindByPid(qemu.pid()));
}

TEST_F(StatusDirectoryTest, NameCannotLeaveTheFolder) {
  const auto found = StatusDirectory(folder_, "c").FindByName("../x");
  ASSERT_FALSE(found);
  EXPECT_EQ(ErrorCode::kInvalid, found.error().code);
}

}  // namespace
}  // namespace seaward
