// What a scraper is told by the real notifier.
#include <arpa/inet.h>

#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

class NotifierMetricsTest : public NotifierProcessTest {
 protected:
  NotifierMetricsTest() { Configure("none", "metrics:\n  listen: 127.0.0.1:0\n"); }

  std::uint16_t Port() const {
    const std::string said = "event=metrics_served address=127.0.0.1:";
    const std::string log = Log();
    const std::size_t at = log.find(said);
    return at == std::string::npos
               ? std::uint16_t{0}
               : static_cast<std::uint16_t>(std::stoi(log.substr(at + said.size())));
  }
  std::string Scrape() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = ::htons(Port());
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      return {};
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
    std::string text;
    char chunk[4096];
    for (ssize_t n = 0; (n = ::recv(socket.get(), chunk, sizeof(chunk), 0)) > 0;)
      text.append(chunk, static_cast<std::size_t>(n));
    return text;
  }
  bool Says(const std::string& line) { return Scrape().find(line + "\n") != std::string::npos; }
};

TEST_F(NotifierMetricsTest, AScrapeFollowsABadPageToItsEnd) {
  const std::string labels = "{vm=\"web\",vm_uuid=\"" + std::string(kVm) + "\"";
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("the notifier answers", [&] { return Says("seaward_sessions{phase=\"live\"} 1"); });
  EXPECT_TRUE(Says("seaward_vm_unsafe_to_migrate" + labels + "} 0"));
  EXPECT_TRUE(Says("seaward_exposure_seconds_count 0"));
  VcpuConsumesPoison(0x40711000);
  Until("its retirement shows",
        [&] { return Says("seaward_pages" + labels + ",life=\"retired\"} 1"); });
  EXPECT_TRUE(Says("seaward_events_total" + labels + ",kind=\"located\"} 1"));
  EXPECT_TRUE(Says("seaward_unretired_pages" + labels + "} 0"));
  Until("its exposure shows", [&] { return Says("seaward_exposure_seconds_count 1"); });
  EXPECT_TRUE(Says("seaward_page_protection" + labels + ",by=\"run\"} 1"));
  EXPECT_TRUE(Says("seaward_page_protection" + labels + ",by=\"never\"} 0"));
  const protocol::PoisonEntry lost = guest_.entries_heard().at(0);
  guest_.Say(protocol::Losses{{{lost.id, lost.range, 4096, 77, "db", ""}}});
  guest_.Say(protocol::BeforeKernel{protocol::ListResult::kApplied, 1, 9, 8});
  Until("its list shows",
        [&] { return Says("seaward_boot_list" + labels + ",result=\"applied\"} 1"); });
  EXPECT_TRUE(Says("seaward_page_losses_total" + labels + "} 1"));
  Until("its effect shows", [&] { return Says("seaward_vm_unsafe_to_migrate" + labels + "} 1"); });
  EXPECT_FALSE(Says("seaward_ledger_commit_seconds_count 0"));
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  guest_.SayHello();
  Until("the second boot's verdict is in",
        [this] { return Count("SELECT count(*) FROM verdict") == 2; });
  EXPECT_TRUE(Says("seaward_exposure_seconds_count 1")) << "a page is exposed once";
  StopNotifier();
}

TEST_F(NotifierMetricsTest, ThereIsNoEndpointUnlessItIsAskedFor) {
  Configure("none");
  GuestBoots();
  StartNotifier();
  Until("it answers", [this] { return StatusOf("/vms/0/running") == true; });
  EXPECT_EQ(Port(), 0);
}

TEST_F(NotifierMetricsTest, AnAddressThatIsNotOursStopsTheStart) {
  Configure("none", "metrics:\n  listen: 192.0.2.1:9647\n");
  StartNotifier();
  Until("it says why", [this] { return Logged("event=cannot_start"); });
  EXPECT_TRUE(Logged("192.0.2.1"));
}

}  // namespace
}  // namespace seaward
