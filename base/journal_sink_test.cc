#include "base/journal_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "base/byte_codec.h"
#include "base/unix_socket.h"

namespace seaward {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// The journal's end: a datagram socket, and the fields of what comes.
class Journal : public ::testing::Test {
 protected:
  Journal() {
    std::string pattern = "/tmp/swj.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    Starts();
  }
  ~Journal() override { std::filesystem::remove_all(folder_); }

  void Starts() {
    std::filesystem::remove(Path());
    socket_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto address = UnixAddress(Path());
    ASSERT_EQ(
        0, ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)));
  }
  std::string Path() const { return folder_ + "/socket"; }

  // Of the next datagram, read as the protocol's document says.
  std::vector<std::pair<std::string, std::string>> NextFields() {
    std::array<char, 65536> bytes;
    const ssize_t n = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    std::vector<std::pair<std::string, std::string>> fields;
    if (n < 0) return fields;
    std::string_view rest(bytes.data(), static_cast<std::size_t>(n));
    while (!rest.empty()) {
      const std::size_t end = rest.find_first_of("=\n");
      const std::string key(rest.substr(0, end));
      const bool counted = rest[end] == '\n';
      rest.remove_prefix(end + 1);
      std::size_t length = rest.find('\n');
      if (counted) {
        const auto* head = reinterpret_cast<const std::byte*>(rest.data());
        length = ByteReader(std::span(head, 8)).Get<std::uint64_t>();
        rest.remove_prefix(8);
      }
      fields.emplace_back(key, rest.substr(0, length));
      EXPECT_EQ(rest[length], '\n');
      rest.remove_prefix(length + 1);
    }
    return fields;
  }

  std::string folder_;
  UniqueFd socket_;
};

TEST_F(Journal, GetsOneFieldPerKey) {
  const auto sink = JournalSink::Open(Path(), "seaward-notifier");
  ASSERT_TRUE(sink);
  const Logger log(*sink, LogLevel::kInfo);
  log.Warning("verdict", {{"vm", "web 1"}, {"gpa", "0x4711000"}, {"exposure_us", "731"}});
  EXPECT_THAT(
      NextFields(),
      ElementsAre(Pair("MESSAGE", "event=verdict vm=\"web 1\" gpa=0x4711000 exposure_us=731"),
                  Pair("PRIORITY", "4"), Pair("SYSLOG_IDENTIFIER", "seaward-notifier"),
                  Pair("SEAWARD_EVENT", "verdict"), Pair("SEAWARD_VM", "web 1"),
                  Pair("SEAWARD_GPA", "0x4711000"), Pair("SEAWARD_EXPOSURE_US", "731")));
  log.Debug("hidden");
  EXPECT_TRUE(NextFields().empty());
}

// A guest's name in a value must not become a field of its own.
TEST_F(Journal, ValuesWithLineEndsStayOneValue) {
  const auto sink = JournalSink::Open(Path(), "x");
  const Logger log(*sink, LogLevel::kInfo);
  const std::string evil = "a\nPRIORITY=0\nMESSAGE=all is well\n";
  log.Error("hello", {{"agent", evil}, {"empty", ""}});
  const auto fields = NextFields();
  ASSERT_EQ(fields.size(), 6u);
  EXPECT_EQ(fields[1].second, "3");
  EXPECT_THAT(fields[4], Pair("SEAWARD_AGENT", evil));
  EXPECT_THAT(fields[5], Pair("SEAWARD_EMPTY", ""));
}

TEST_F(Journal, ThatWasRestartedIsFoundAgain) {
  const auto sink = JournalSink::Open(Path(), "x");
  const Logger log(*sink, LogLevel::kInfo);
  log.Info("one");
  EXPECT_EQ(NextFields().size(), 4u);
  Starts();
  log.Info("two");
  EXPECT_EQ(NextFields().size(), 4u);
}

// Stands in for stderr while a test looks at what is written there.
class RedirectedStderr {
 public:
  RedirectedStderr() : kept_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
    int ends[2];
    EXPECT_EQ(0, ::pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    read_.Reset(ends[0]);
    write_.Reset(ends[1]);
    ::dup2(write_.get(), STDERR_FILENO);
  }
  ~RedirectedStderr() { ::dup2(kept_.get(), STDERR_FILENO); }
  std::string Read() {
    std::array<char, 65536> bytes;
    const ssize_t n = ::read(read_.get(), bytes.data(), bytes.size());
    return n < 0 ? "" : std::string(bytes.data(), static_cast<std::size_t>(n));
  }

 private:
  UniqueFd kept_;
  UniqueFd read_;
  UniqueFd write_;
};

TEST_F(Journal, WhatItDoesNotTakeGoesToStderr) {
  const auto sink = JournalSink::Open(Path(), "x");
  const Logger log(*sink, LogLevel::kInfo);
  RedirectedStderr standard_error;
  socket_.Reset();
  log.Error("alone", {{"vm", "web"}});
  EXPECT_THAT(standard_error.Read(), ::testing::HasSubstr("event=alone vm=web\n"));
}

TEST(JournalSink, IsNotOpenedWithoutASocket) {
  EXPECT_FALSE(JournalSink::Open("/nonexistent/socket", "x"));
  EXPECT_FALSE(JournalSink::Open(std::string(200, 'x'), "x"));
}

TEST(JournalSink, KeysAreWhatTheJournalTakes) {
  EXPECT_EQ(JournalKey("vm"), "SEAWARD_VM");
  EXPECT_EQ(JournalKey("exposure_us"), "SEAWARD_EXPOSURE_US");
  EXPECT_EQ(JournalKey("a-b.c\n="), "SEAWARD_A_B_C__");
  EXPECT_EQ(JournalKey(std::string(100, 'k')).size(), 64u);
}

// systemd.exec(5): a stream that was redirected is not the journal's any more.
TEST(JournalSink, TheStreamIsKnownByDeviceAndInode) {
  struct stat own {};
  ASSERT_EQ(0, ::fstat(STDERR_FILENO, &own));
  const std::string right = std::to_string(own.st_dev) + ":" + std::to_string(own.st_ino);
  EXPECT_TRUE(IsJournalStream(right.c_str(), STDERR_FILENO));
  UniqueFd other(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(IsJournalStream(right.c_str(), other.get()));
  for (const char* wrong : {"", ":", "1", "1:", "x:y", "8:1 ", "99999999999999999999999:1"})
    EXPECT_FALSE(IsJournalStream(wrong, STDERR_FILENO)) << wrong;
  EXPECT_FALSE(IsJournalStream((right + "x").c_str(), STDERR_FILENO));
  EXPECT_FALSE(IsJournalStream(nullptr, STDERR_FILENO));
}

}  // namespace
}  // namespace seaward
