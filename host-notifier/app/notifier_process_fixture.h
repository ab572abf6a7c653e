// The real seaward-notifier as a process, a scripted guest on the host's end of a channel, and a
// VMM that is this test process, through the public C API. One thread.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "base/uuid.h"
#include "protocol/testing/scripted_guest.h"
#include "seaward/vmm.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace seaward {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

class NotifierProcessTest : public ::testing::Test {
 protected:
  using Json = nlohmann::json;
  static constexpr char kVm[] = "00000000-0000-0000-0000-00000000abcd";
  // Generous: the machine that runs this may be busy with three other builds.
  static constexpr std::chrono::seconds kPatience{60};

  NotifierProcessTest() {
    Configure("none");
    std::ofstream(dir_ / "hard_offline_page");
  }
  // `more`: further lines of notifier.yaml.
  void Configure(const std::string& libvirt_uri, const std::string& more = "") {
    std::ofstream(dir_ / "notifier.yaml")
        << "state_dir: " << dir_.path() << "/state\ncontrol_socket: " << dir_.path()
        << "/control.sock\nattach_socket: " << dir_.path() << "/attach.sock\nlog_level: debug\n"
        << "hard_offline_path: " << dir_.path() << "/hard_offline_page\n"
        << "libvirt:\n  uri: " << libvirt_uri
        << "\nsession:\n  resend_initial_ms: 100\n  resend_max_ms: 500\n"
        << "static_vms:\n  - name: web\n    uuid: " << kVm << "\n    channel: " << dir_.path()
        << "/agent.sock\n    attach_uid: " << ::geteuid() << "\n"
        << more;
  }
  ~NotifierProcessTest() override {
    seaward_detach(vmm_);
    if (HasFailure()) std::fputs(Log().c_str(), stderr);
  }

  void StartNotifier(const std::string& shell_limits = "") {
    const std::string command = shell_limits + " exec " + SEAWARD_BINARY_DIR +
                                "/bin/seaward-notifier --config " + (dir_ / "notifier.yaml");
    auto started =
        testing::ChildProcess::Start({.argv = {"/bin/sh", "-c", command}, .log = dir_ / "log"});
    ASSERT_TRUE(started) << started.error().Text();
    notifier_ = std::move(*started);
  }
  void KillNotifier() { notifier_.KillNow(); }
  // What the service manager does.
  void StopNotifier() {
    const auto end = notifier_.Stop(kPatience);
    EXPECT_EQ(0, end.signal);
    EXPECT_EQ(0, end.exit_code);
  }

  // The channel's socket, as QEMU binds it before anybody connects.
  void GuestBoots() {
    auto listener = ListenUnix(dir_ / "agent.sock", SOCK_STREAM | SOCK_NONBLOCK);
    ASSERT_TRUE(listener) << listener.error().Text();
    listener_ = std::move(*listener);
  }
  void VmmAttaches(const char* vm = kVm, std::uint32_t hold_us = 0) {
    const Uuid uuid = *ParseUuid(vm);
    const std::string socket = dir_ / "attach.sock";
    seaward_config config{};
    config.struct_size = sizeof(config);
    config.attach_socket = socket.c_str();
    config.hold_us = hold_us;
    config.vm_uuid = reinterpret_cast<const std::uint8_t*>(uuid.bytes.data());
    ASSERT_EQ(0, seaward_attach(&config, &vmm_));
  }
  void VcpuConsumesPoison(std::uint64_t gpa) {
    seaward_exit exit{};
    exit.struct_size = sizeof(exit);
    exit.flags = SEAWARD_EXIT_GPA_VALID;
    exit.esr = 0x92000010;
    exit.gva = 0xffff00000000 | (gpa & 0xfff);
    exit.gpa = gpa;
    ASSERT_EQ(SEAWARD_PUBLISHED, seaward_publish(vmm_, &exit));
  }
  seaward_status VmmStatus() const {
    seaward_status status{};
    status.struct_size = sizeof(status);
    seaward_get_status(vmm_, &status);
    return status;
  }

  // Moves the guest's bytes until `holds`, or fails.
  void Until(const char* what, const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain until " << what;
      PumpGuest();
    }
  }
  bool GuestHeard(std::uint64_t gpa) const {
    for (const auto& entry : guest_.entries_heard())
      if (entry.range.start().value == gpa) return true;
    return false;
  }
  Json Ask(const Json& question) {
    auto socket = ConnectUnix(dir_ / "control.sock");
    if (!socket) return {};
    const std::string line = question.dump() + "\n";
    if (::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) return {};
    std::string answer;
    char chunk[4096];
    for (ssize_t n = 0; (n = ::recv(socket->get(), chunk, sizeof(chunk), 0)) > 0;)
      answer.append(chunk, static_cast<std::size_t>(n));
    return Json::parse(answer, nullptr, false);
  }
  Json StatusOf(const std::string& pointer) {
    const Json status = Ask({{"op", "status"}});
    const Json::json_pointer at(pointer);
    return status.is_object() && status.contains(at) ? status.at(at) : Json();
  }
  // Of the ledger, read beside the notifier by SQLite itself.
  std::int64_t Count(const std::string& sql) const {
    sqlite3* db = nullptr;
    std::int64_t count = -1;
    if (sqlite3_open_v2((dir_ / "state/ledger.db").c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) ==
        SQLITE_OK) {
      sqlite3_busy_timeout(db, 10000);
      const auto take = [](void* out, int, char** values, char**) {
        *static_cast<std::int64_t*>(out) = std::stoll(values[0] == nullptr ? "-1" : values[0]);
        return 0;
      };
      sqlite3_exec(db, sql.c_str(), take, &count, nullptr);
    }
    sqlite3_close(db);
    return count;
  }
  std::string Log() const {
    std::ifstream in(dir_ / "log");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  bool Logged(const std::string& text) const { return Log().find(text) != std::string::npos; }

  testing::TempDir dir_;
  testing::ChildProcess notifier_;
  protocol::testing::ScriptedGuest guest_{protocol::testing::NumberedUuid(1)};
  seaward_vmm* vmm_ = nullptr;

 private:
  void PumpGuest() {
    const auto out = channel_.valid() ? guest_.TakeOutput() : std::vector<std::byte>();
    if (!out.empty()) ::send(channel_.get(), out.data(), out.size(), MSG_NOSIGNAL);
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {channel_.get(), POLLIN, 0}};
    ::poll(fds, 2, 20);
    // One host at a time, as virtio-serial has it.
    if (!channel_.valid() && (fds[0].revents & POLLIN) != 0)
      channel_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if ((fds[1].revents & (POLLIN | POLLHUP)) == 0) return;
    std::byte chunk[4096];
    const ssize_t n = ::recv(channel_.get(), chunk, sizeof(chunk), 0);
    if (n > 0) guest_.Receive(std::span(chunk).first(static_cast<std::size_t>(n)));
    if (n == 0 || (n < 0 && errno != EAGAIN)) channel_.Reset();
  }

  UniqueFd listener_;
  UniqueFd channel_;
};

}  // namespace seaward
