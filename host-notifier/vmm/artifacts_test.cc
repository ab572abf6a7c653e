// What is delivered, as it is delivered: exported names, the preloaded library in a real process,
// and seaward-publish against a real attach socket.
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "host-notifier/ring/attach_listener.h"

namespace seaward::vmm {
namespace {

struct Finished {
  int status = -1;
  std::string output;
};

Finished RunShell(const std::string& command) {
  Finished finished;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return finished;
  std::array<char, 4096> chunk;
  for (std::size_t n = 0; (n = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;)
    finished.output.append(chunk.data(), n);
  const int status = ::pclose(pipe);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return finished;
}

#ifndef SEAWARD_SANITIZED  // sanitizers add names, needs and a runtime that must come first
std::set<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> words;
  for (std::string word; in >> word;) words.insert(word);
  return words;
}

std::set<std::string> Exports(const std::string& library) {
  return Words(
      RunShell("nm -D --defined-only " + library + " | grep -v ' A ' | sed 's/.* //; s/@.*//'")
          .output);
}

std::string Needs(const std::string& library) {
  return RunShell("objdump -p " + library +
                  " | grep -E 'NEEDED' | grep -v ld-linux | sed 's/.* //'")
      .output;
}

TEST(PreloadLibrary, ExportsIoctlAloneAndNeedsLibcAlone) {
  EXPECT_EQ(Exports(SEAWARD_PRELOAD_LIBRARY), std::set<std::string>{"ioctl"});
  EXPECT_EQ(Needs(SEAWARD_PRELOAD_LIBRARY), "libc.so.6\n");
}

TEST(VmmLibrary, ExportsItsApiAloneAndNeedsLibcAlone) {
  const std::set<std::string> api{"seaward_attach",           "seaward_decide_injection",
                                  "seaward_detach",           "seaward_exit_from_kvm_run",
                                  "seaward_get_status",       "seaward_publish",
                                  "seaward_publish_and_hold", "seaward_report_failed_injection"};
  EXPECT_EQ(Exports(SEAWARD_VMM_LIBRARY), api);
  EXPECT_EQ(Needs(SEAWARD_VMM_LIBRARY), "libc.so.6\n");
  const auto soname = RunShell(std::string("objdump -p ") + SEAWARD_VMM_LIBRARY + " | grep SONAME");
  EXPECT_NE(soname.output.find("libseaward-vmm.so.1"), std::string::npos);
}

TEST(PreloadLibrary, LeavesAProcessThatIsNoVmmAlone) {
  const auto probe = RunShell(std::string("LD_PRELOAD=") + SEAWARD_PRELOAD_LIBRARY + " " +
                              SEAWARD_IOCTL_PROBE + " 2>&1");
  EXPECT_EQ(probe.status, 0);
  EXPECT_EQ(probe.output, "");
}
#endif

class Publish : public testing::Test {
 protected:
  Publish() {
    char pattern[] = "/tmp/swpub-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~Publish() override {
    notifier_.request_stop();
    if (notifier_.joinable()) notifier_.join();
    std::filesystem::remove_all(folder_);
  }
  // Takes every record and makes it safe.
  void NotifierStarts() {
    ring::ListenerOptions options;
    options.path = folder_ + "/a";
    listener_.emplace(ring::AttachListener::Open(options, clock_).value());
    notifier_ = std::jthread([this](std::stop_token stop) { Notify(stop); });
  }
  Finished Run(const std::string& arguments) {
    return RunShell(std::string(SEAWARD_PUBLISH) + " --socket " + folder_ + "/a " + arguments +
                    " 2>/dev/null");
  }

  std::string folder_;

 private:
  void Notify(const std::stop_token& stop) {
    std::optional<ring::Attachment> vm;
    while (!stop.stop_requested()) {
      std::array<pollfd, 2> fds{pollfd{listener_->fd(), POLLIN, 0},
                                pollfd{vm ? vm->ring.doorbell_fd() : -1, POLLIN, 0}};
      ::poll(fds.data(), fds.size(), 20);
      auto accepted = listener_->Accept();
      if (accepted && *accepted) {
        vm.emplace(std::move(**accepted));
        vm->Confirm();
      }
      if (vm) vm->ring.Drain(100, [&](const ring::RingEvent& e) { vm->ring.Release(e.token); });
    }
  }
  SystemClock clock_;
  std::optional<ring::AttachListener> listener_;
  std::jthread notifier_;
};

TEST_F(Publish, SaysWhenTheNotifierMadeTheExitSafe) {
  NotifierStarts();
  const auto done = Run("--gpa 0x48048123 --count 1 --vcpu 1");
  EXPECT_EQ(done.status, 0);
  for (const char* part : {"\"gpa\": \"0x48048123\"", "\"esr\": \"0x92000010\"", "\"published\": 1",
                           "\"attached\": true", "\"released\": true", "\"published_at_ns\": "})
    EXPECT_NE(done.output.find(part), std::string::npos) << part << " in " << done.output;
}

TEST_F(Publish, ReadsAddressesFromStdin) {
  NotifierStarts();
  const auto done = RunShell(std::string("printf '0x1000\\n0x2000\\n' | ") + SEAWARD_PUBLISH +
                             " --interactive --socket " + folder_ + "/a 2>/dev/null");
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(std::count(done.output.begin(), done.output.end(), '\n'), 2);
}

TEST_F(Publish, FailsAtItsDeadlineWithoutANotifier) {
  const auto done = Run("--gpa 0x1000 --deadline-ms 10");
  EXPECT_EQ(done.status, 1);
  EXPECT_NE(done.output.find("\"released\": false"), std::string::npos);
}

TEST_F(Publish, RefusesWhatItDoesNotUnderstand) {
  for (const char* wrong : {"", "--gpa 4096", "--gpa 0x1 --vm x", "--gpa 0x1 --count 0",
                            "--gpa 0x1 extra", "--nonsense"})
    EXPECT_EQ(Run(wrong).status, 2) << wrong;
  EXPECT_EQ(Run("--help").status, 0);
}

}  // namespace
}  // namespace seaward::vmm
