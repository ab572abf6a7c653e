// What the agent costs a guest in which nothing is wrong, and what it may do there.
#include <poll.h>

#include <cctype>
#include <cstdio>
#include <span>
#include <sstream>
#include <thread>
#include <vector>

#include "base/file_io.h"
#include "base/unix_socket.h"
#include "tests/guest/figures.h"
#include "tests/guest/guarded_guest.h"
#include "tests/support/virtio_port.h"

namespace seaward::testing {
namespace {

constexpr std::chrono::seconds kQuiet{30};

class Citizen : public GuardedGuest {
 protected:
  std::string ReadFile(const std::string& path) {
    auto reply = guest().shell().Ask("read", {{"path", path}});
    if (!reply) throw std::runtime_error(reply.error().Text());
    return (*reply)["text"].get<std::string>();
  }
  // A number of /proc/PID/status.
  std::int64_t StatusOf(int pid, const std::string& key, int base = 10) {
    std::istringstream lines(ReadFile("/proc/" + std::to_string(pid) + "/status"));
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(key + ":"))
        return static_cast<std::int64_t>(std::stoull(line.substr(key.size() + 1), nullptr, base));
    throw std::runtime_error("no " + key + " in the status");
  }
  // As hexadecimal digits; empty while there is none.
  std::string Journal() {
    auto reply = guest().shell().Ask("read_hex", {{"path", "/var/lib/seaward/journal"}});
    return reply ? (*reply)["hex"].get<std::string>() : std::string();
  }
  // Of all threads of the agent: how often one was switched in.
  std::int64_t Wakeups() {
    const int pid = AgentPid();
    auto reply = guest().shell().Ask("thread_switches", {{"pid", pid}});
    if (!reply) throw std::runtime_error(reply.error().Text());
    return (*reply)["switches"].get<std::int64_t>();
  }
  // Over a time in which nothing happens. The host's heartbeat comes once a minute: of two
  // windows of half a minute one is without.
  std::int64_t WakeupsWhileQuiet() {
    std::int64_t fewest = -1;
    for (int window = 0; window < 2 && fewest != 0; ++window) {
      const std::int64_t before = Wakeups();
      std::this_thread::sleep_for(kQuiet);  // the time is what is measured
      const std::int64_t wakeups = Wakeups() - before;
      if (fewest < 0 || wakeups < fewest) fewest = wakeups;
    }
    return fewest;
  }
};

TEST_F(Citizen, SleepsWhileNothingHappensWithTheHostAndWithout) {
  PublishExit(FreePage());
  ASSERT_TRUE(WaitUntil([&] { return Wakeups() == Wakeups(); }, kPatience));
  const std::int64_t connected = WakeupsWhileQuiet();
  host().StopNotifier();
  const std::int64_t alone = WakeupsWhileQuiet();
  Figure("idle_wakeups_connected", connected);
  Figure("idle_wakeups_alone", alone);
  EXPECT_EQ(connected, 0);
  EXPECT_EQ(alone, 0);
  ASSERT_TRUE(host().StartNotifier().has_value());
}

TEST_F(Citizen, NeedsLessThanHalfOfTheMemoryOfQemusOwnAgent) {
  constexpr char kPort[] = "org.qemu.guest_agent.0";
  const auto node = PortNode(guest().shell(), kPort);
  ASSERT_TRUE(node.has_value()) << node.error().Text();
  auto started = guest().shell().Ask(
      "spawn", {{"argv", {"/usr/sbin/qemu-ga", "-m", "virtio-serial", "-p", *node, "-t", "/run"}},
                {"output", "/run/qemu-ga.log"}});
  ASSERT_TRUE(started.has_value()) << started.error().Text();
  const int other = (*started)["pid"].get<int>();
  auto socket = ConnectUnix(guest().port_path(kPort));
  ASSERT_TRUE(socket.has_value()) << socket.error().Text();
  const std::string ping = "{\"execute\":\"guest-ping\"}\n";
  ASSERT_TRUE(WriteAll(socket->get(), std::as_bytes(std::span(ping))).has_value());
  pollfd answer{socket->get(), POLLIN, 0};
  ASSERT_EQ(::poll(&answer, 1, 60000), 1) << ReadFile("/run/qemu-ga.log");

  const std::string journal = Journal();
  PublishExit(FreePage());
  ASSERT_TRUE(WaitUntil([&] { return Journal() != journal; }, kPatience));
  const std::int64_t ours = StatusOf(AgentPid(), "VmRSS");
  const std::int64_t theirs = StatusOf(other, "VmRSS");
  Figure("rss_kib", ours);
  Figure("qga_rss_kib", theirs);
  EXPECT_LT(2 * ours, theirs);
  (void)guest().shell().Ask("kill", {{"pid", other}});
  (void)guest().shell().Ask("wait", {{"pid", other}});
}

TEST_F(Citizen, RunsBehindItsFilterWithItsMemoryLocked) {
  const int pid = AgentPid();
  // The guest answers while its agent still starts.
  EXPECT_TRUE(WaitUntil([&] { return StatusOf(pid, "Seccomp") == 2; }, kPatience)) << "filtered";
  EXPECT_EQ(StatusOf(pid, "NoNewPrivs"), 1);
  EXPECT_TRUE(WaitUntil([&] { return StatusOf(pid, "VmLck") > 0; }, kPatience)) << "locked";
}

TEST_F(Citizen, ABurstOfPagesTakesNoMemoryFromTheKernel) {
  PublishExit(FreePage());  // the way was gone once
  const int pid = AgentPid();
  const auto major_faults = [&] {
    // Field 12 of it, the tenth behind the name in parentheses.
    const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
    std::istringstream words(stat.substr(stat.rfind(')') + 2));
    std::vector<std::int64_t> numbers;
    std::string word;
    while (words >> word && numbers.size() < 12)
      numbers.push_back(std::isdigit(word[0]) ? std::stoll(word) : 0);
    return numbers.at(9);
  };
  GuestPhysAddr page = FreePage();
  const std::string journal = Journal();
  PublishExit(page);
  ExpectRetiredOnce(page);
  // Its writer follows by a second, on a thread of its own.
  ASSERT_TRUE(WaitUntil([&] { return Journal() != journal; }, kPatience));
  const std::int64_t faulted = major_faults();
  const std::int64_t anonymous = StatusOf(pid, "RssAnon");
  const std::int64_t size = StatusOf(pid, "VmSize");
  std::vector<GuestPhysAddr> pages;
  for (int i = 0; i < 8; ++i) pages.push_back(FreePage());
  for (const GuestPhysAddr each : pages) PublishExit(each);
  for (const GuestPhysAddr each : pages) ExpectRetiredOnce(each);
  EXPECT_EQ(major_faults(), faulted);
  EXPECT_EQ(StatusOf(pid, "RssAnon"), anonymous);
  EXPECT_EQ(StatusOf(pid, "VmSize"), size);
}

TEST_F(Citizen, NamesTheProcessThatLostThePageInItsLogAndToTheHost) {
  auto held = guest().shell().Ask("page_hold", {{"kind", "anonymous"}});
  ASSERT_TRUE(held.has_value()) << held.error().Text();
  const auto page = ParseAddress((*held)["page"].get<std::string>());
  const std::string pid = std::to_string((*held)["pid"].get<int>());
  PublishExit(GuestPhysAddr{*page});
  EXPECT_EQ(Verdict(GuestPhysAddr{*page}).outcome, "retired");
  const std::string said = "page_lost vm=guest gpa=" + FormatAddress(*page);
  EXPECT_TRUE(WaitUntil(
      [&] {
        const std::string logs = host().Logs();
        const std::size_t at = logs.find(said);
        if (at == std::string::npos) return false;
        const std::string line = logs.substr(at, logs.find('\n', at) - at);
        return line.find(" pid=" + pid) != std::string::npos;
      },
      kPatience))
      << host().Logs();
  (void)guest().shell().Ask("page_end", {{"pid", (*held)["pid"]}});
}

}  // namespace
}  // namespace seaward::testing
