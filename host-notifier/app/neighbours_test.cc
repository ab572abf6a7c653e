// Guests that are slow, silent, flooding and lying beside one that behaves: it must not notice.
#include <algorithm>
#include <atomic>
#include <list>
#include <thread>

#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

using protocol::Outcome;
using protocol::PoisonEntry;
using protocol::VerdictRecord;
using protocol::testing::ScriptedGuest;

// The host's end of one hostile guest's channel, on a thread of its own: it is as quick as it can.
class HostileGuest {
 public:
  using Behaviour = std::function<void(int channel, const std::atomic<bool>& enough)>;

  HostileGuest(std::string path, Behaviour behaviour)
      : path_(std::move(path)), behaviour_(std::move(behaviour)) {
    auto listener = ListenUnix(path_);
    EXPECT_TRUE(listener) << listener.error().Text();
    listener_ = std::move(listener.value());
    thread_ = std::thread([this] { Run(); });
  }
  ~HostileGuest() {
    enough_ = true;
    thread_.join();
  }
  HostileGuest(const HostileGuest&) = delete;
  HostileGuest& operator=(const HostileGuest&) = delete;

 private:
  void Run() {
    while (!enough_) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const UniqueFd channel(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const timeval patience{0, 20'000};  // so that it hears that it is enough
      ::setsockopt(channel.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
      ::setsockopt(channel.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      if (channel.valid()) behaviour_(channel.get(), enough_);
    }
  }

  const std::string path_;
  const Behaviour behaviour_;
  UniqueFd listener_;
  std::atomic<bool> enough_{false};
  std::thread thread_;
};

// False: the host hung up.
bool Goes(ssize_t result) {
  return result > 0 || (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

// Takes one byte at a time, and never answers.
void ReadSlowly(int channel, const std::atomic<bool>& enough) {
  std::byte one;
  while (!enough && Goes(::recv(channel, &one, 1, 0))) ::poll(nullptr, 0, 20);
}

// Takes nothing and says nothing.
void StaySilent(int, const std::atomic<bool>& enough) {
  while (!enough) ::poll(nullptr, 0, 20);
}

// What no frame ever is, as fast as the socket takes it.
class Flood {
 public:
  void operator()(int channel, const std::atomic<bool>& enough) {
    const std::vector<std::byte> garbage(64 * 1024, std::byte{'S'});
    while (!enough) {
      const ssize_t n = ::send(channel, garbage.data(), garbage.size(), MSG_NOSIGNAL);
      if (n > 0) *sent_ += static_cast<std::uint64_t>(n);
      if (!Goes(n)) return;
    }
  }
  std::uint64_t sent() const { return *sent_; }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> sent_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
};

// A session like any other, in which nothing that is said is true.
void Lie(int channel, const std::atomic<bool>& enough) {
  ScriptedGuest liar(protocol::testing::NumberedUuid(66));
  const auto lies = [](const PoisonEntry& entry) {
    VerdictRecord record;
    record.id = entry.id + 1'000'000;
    record.range = ByteRange::Granule(GuestPhysAddr{0x1000});
    record.outcome = Outcome::kRetired;
    return record;
  };
  liar.set_decide([&](const PoisonEntry& entry) { return std::vector{lies(entry)}; });
  std::byte chunk[4096];
  for (int turn = 0; !enough; ++turn) {
    const ssize_t n = ::recv(channel, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n > 0) liar.Receive(std::span(chunk).first(static_cast<std::size_t>(n)));
    if (!Goes(n)) return;
    if (turn % 100 == 99) liar.SayHello();
    liar.Say(protocol::Sync{0x1234, 9});
    liar.Say(protocol::Verdict{std::vector<VerdictRecord>(93, lies(PoisonEntry{}))});
    const auto out = liar.TakeOutput();
    if (!Goes(::send(channel, out.data(), out.size(), MSG_NOSIGNAL))) return;
  }
}

class NeighboursTest : public NotifierProcessTest {
 protected:
  static constexpr std::size_t kPages = 20;
  static constexpr const char* kHostile[] = {"slow", "silent", "flood", "liar"};

  NeighboursTest() {
    std::string vms;
    for (std::size_t i = 0; i < std::size(kHostile); ++i)
      vms += std::string("  - name: ") + kHostile[i] +
             "\n    uuid: " + FormatUuid(protocol::testing::NumberedUuid(i)) +
             "\n    channel: " + dir_.path() + "/" + kHostile[i] + ".sock\n";
    Configure("none", vms);
  }
  void HostileGuestsCome() {
    hostile_.emplace_back(dir_ / "slow.sock", ReadSlowly);
    hostile_.emplace_back(dir_ / "silent.sock", StaySilent);
    hostile_.emplace_back(dir_ / "flood.sock", flood_);
    hostile_.emplace_back(dir_ / "liar.sock", Lie);
    // Each of them has bad pages, so that there is something to tell and to lie about.
    for (const char* name : kHostile)
      Until("its process is known", [&] { return Reported(name, 0x50000000); });
    Until("the liar is heard", [this] { return FaultsOf("liar") > 0 && FaultsOf("flood") > 0; });
  }
  bool Reported(const std::string& vm, std::uint64_t gpa) {
    return Ask({{"op", "report"}, {"vm", vm}, {"gpa", FormatAddress(gpa)}}).contains("page");
  }
  Json Status(const std::string& vm) {
    const Json status = Ask({{"op", "status"}, {"vm", vm}});
    return status.contains("vms") && !status["vms"].empty() ? status["vms"][0] : Json::object();
  }
  std::uint64_t FaultsOf(const std::string& vm) {
    return Status(vm).value("protocol_faults", std::uint64_t{0});
  }
  // Of pages that go bad one after the other: until each is retired, median.
  std::chrono::microseconds MedianExposure(std::uint64_t first) {
    std::vector<std::int64_t> exposures;
    for (std::uint64_t gpa = first; exposures.size() < kPages; gpa += 0x2000) {
      VcpuConsumesPoison(gpa);
      Until("the page is retired", [&] {
        for (const Json& page : Status("web").value("pages", Json::array()))
          if (page["gpa"] == FormatAddress(gpa) && page["exposure_us"].is_number()) {
            exposures.push_back(page["exposure_us"]);
            return true;
          }
        return false;
      });
      if (HasFatalFailure()) break;
    }
    std::sort(exposures.begin(), exposures.end());
    return std::chrono::microseconds(exposures.empty() ? 0 : exposures[exposures.size() / 2]);
  }
  std::uint64_t ResidentKib() const {
    std::ifstream status("/proc/" + std::to_string(notifier_.pid()) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
    return 0;
  }

  Flood flood_;
  std::list<HostileGuest> hostile_;
};

TEST_F(NeighboursTest, SlowSilentFloodingAndLyingGuestsDisturbNobody) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("the guest is live", [this] { return Status("web").value("session", "") == "live"; });
  const auto calm = MedianExposure(0x40000000);
  [[maybe_unused]] const std::uint64_t resident = ResidentKib();

  HostileGuestsCome();
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t flooded = flood_.sent();
  const auto beside_them = MedianExposure(0x41000000);
  const auto time = std::chrono::steady_clock::now() - began;
  RecordProperty("calm_us", static_cast<int>(calm.count()));
  RecordProperty("beside_them_us", static_cast<int>(beside_them.count()));
  // The machine is shared with the hostile guests themselves: two cores, four busy threads.
  EXPECT_LT(beside_them, 10 * calm + 100ms) << "calm: " << calm.count() << " us";

  // A byte of garbage counts as 16 of 1 MiB/s, and what lies in socket and chunk is read once.
  const double seconds = std::chrono::duration<double>(time).count();
  EXPECT_LT(flood_.sent() - flooded,
            1'000'000 + static_cast<std::uint64_t>(seconds * 65'536 * 1.5));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these keep what is freed
  EXPECT_LT(ResidentKib(), resident + 32 * 1024) << "queues are bounded";
#endif
  EXPECT_EQ(0u, FaultsOf("web"));
  EXPECT_EQ(0u, FaultsOf("silent"));
  for (const char* vm : kHostile)
    EXPECT_NE("retired", Status(vm)["pages"][0]["life"]) << vm << " retired nothing";
}

TEST_F(NeighboursTest, ARestartBesideThemSyncsTheOthers) {
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("the guest is live", [this] { return Status("web").value("session", "") == "live"; });
  VcpuConsumesPoison(0x40000000);
  Until("its verdict is durable",
        [this] { return Count("SELECT count(*) FROM page WHERE life = 'retired'") == 1; });
  HostileGuestsCome();
  const std::size_t heard = guest_.entries_heard().size();
  KillNotifier();
  StartNotifier();
  Until("the guest is live again", [this] { return Status("web").value("session", "") == "live"; });
  EXPECT_EQ(heard, guest_.entries_heard().size()) << "the digests agree: nothing travels";
  VcpuConsumesPoison(0x40002000);
  Until("a new page is retired",
        [this] { return Count("SELECT count(*) FROM page WHERE life = 'retired'") == 2; });
}

}  // namespace
}  // namespace seaward
