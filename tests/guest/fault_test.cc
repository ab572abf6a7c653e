// Processes die and bytes rot at the worst moments: no wrong retirement, no silent loss, one row
// with one verdict.
#include <signal.h>

#include "base/file_io.h"
#include "base/unix_socket.h"
#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

class FaultyWorld : public GuardedGuest {
 protected:
  void SetUp() override {
    GuardedGuest::SetUp();
    if (!HasFatalFailure()) corrupted_before_ = HardwareCorruptedKb();
  }
  void RestartNotifier() {
    auto started = host().StartNotifier();
    ASSERT_TRUE(started.has_value()) << started.error().Text();
  }
  std::uint64_t ProtocolFaults() {
    auto status = host().Seawardctl({"status"});
    if (!status) throw std::runtime_error(status.error().Text());
    return (*status)["vms"][0]["protocol_faults"].get<std::uint64_t>();
  }
  // `pages` pages of 4 KiB went out of use since the case began, and no other.
  void ExpectOnlyRetired(std::uint64_t pages) {
    EXPECT_EQ(HardwareCorruptedKb(), corrupted_before_ + 4 * pages);
  }
  // The same over a reboot. A refused attempt on a page in kernel use is counted by the kernel too.
  void ExpectKernelCountsWhatTheLedgerDoes() {
    std::uint64_t kernel_kb = 0;
    std::uint64_t ledger_pages = 0;
    EXPECT_TRUE(WaitUntil(
        [&] {
          auto rows = host().QueryLedger(
              "SELECT count(*) AS n FROM verdict WHERE outcome IN ('retired', 'in_kernel') "
              "AND boot = '" +
              guest().boot_id() + "'");
          if (!rows || rows->empty()) return false;
          ledger_pages = (*rows)[0]["n"].get<std::uint64_t>();
          kernel_kb = HardwareCorruptedKb();
          return ledger_pages > 0 && kernel_kb == 4 * ledger_pages;
        },
        kPatience))
        << kernel_kb << " kB counted by the kernel, " << ledger_pages << " pages in the ledger";
  }

 private:
  std::uint64_t corrupted_before_ = 0;
};

TEST_F(FaultyWorld, NotifierKilledBeforeDeliveryDeliversWhenItIsBack) {
  host().KillNotifier();
  const GuestPhysAddr page = FreePage();
  PublishExit(page);  // waits in the ring
  RestartNotifier();
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(1);
}

TEST_F(FaultyWorld, NotifierKilledDuringDeliveryGetsTheOneVerdictWhenItIsBack) {
  const GuestPhysAddr page = FreePage();
  SignalAgent(SIGSTOP);  // the frame lies in the port, unanswered
  PublishExit(page);
  ASSERT_TRUE(host().WaitForLife(page, "delivered")) << host().Logs();
  host().KillNotifier();
  SignalAgent(SIGCONT);
  RestartNotifier();
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(1);
}

TEST_F(FaultyWorld, NotifierKilledAfterDeliveryKeepsRowAndVerdict) {
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  host().KillNotifier();
  RestartNotifier();
  const GuestPhysAddr next = FreePage();
  PublishExit(next);  // the new session works
  ExpectRetiredOnce(next);
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(2);
}

TEST_F(FaultyWorld, AgentKilledBeforeDeliveryRetiresWhenItIsBack) {
  KillAgent();
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ASSERT_TRUE(WaitUntil([&] { return !RowAt(page).life.empty(); }, kPatience)) << host().Logs();
  StartAgent();
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(1);
}

TEST_F(FaultyWorld, AgentKilledDuringDeliveryRetiresWhenItIsBack) {
  const GuestPhysAddr page = FreePage();
  SignalAgent(SIGSTOP);
  PublishExit(page);
  ASSERT_TRUE(host().WaitForLife(page, "delivered")) << host().Logs();
  KillAgent();  // what it had not read is lost with it
  StartAgent();
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(1);
}

TEST_F(FaultyWorld, AgentKilledAfterDeliveryRepeatsTheSameVerdict) {
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  KillAgent();
  StartAgent();
  const GuestPhysAddr next = FreePage();
  PublishExit(next);
  ExpectRetiredOnce(next);
  ExpectRetiredOnce(page);  // still `retired`: not `already_retired`, not `failed`
  ExpectOnlyRetired(2);
}

TEST_F(FaultyWorld, BytesOfThePreviousBootDoNoHarm) {
  const GuestPhysAddr unanswered = FreePage();
  const GuestPhysAddr unread = FreePage();
  host().SignalNotifier(SIGSTOP);  // what the guest says now is read in its next boot
  KillAgent();
  StartAgent();
  SignalAgent(SIGSTOP);  // what the host says from here on is read in the next boot, or never
  host().SignalNotifier(SIGCONT);
  PublishExit(unanswered);
  ASSERT_TRUE(WaitUntil([&] { return !RowAt(unanswered).life.empty(); }, kPatience));
  host().SignalNotifier(SIGSTOP);
  PublishExit(unread);
  // The notifier stands still while the guest reboots: the early stage gets no answer in time.
  auto reset = guest().Reset();
  host().SignalNotifier(SIGCONT);
  ASSERT_TRUE(reset.has_value()) << reset.error().Text();
  ExpectRetiredOnce(unanswered);
  ExpectRetiredOnce(unread);
  ExpectKernelCountsWhatTheLedgerDoes();
}

TEST_F(FaultyWorld, GarbageTowardsTheGuestIsSkipped) {
  host().KillNotifier();
  {
    auto channel = ConnectUnix(guest().channel_path());
    ASSERT_TRUE(channel.has_value()) << channel.error().Text();
    std::string garbage(3000, '\xa5');
    garbage += "SWRD\x01\x05";  // a header that breaks off
    garbage += std::string(22, '\0');
    ASSERT_TRUE(WriteAll(channel->get(), std::as_bytes(std::span(garbage))).has_value());
  }
  RestartNotifier();
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(1);
}

TEST_F(FaultyWorld, GarbageTowardsTheHostIsSkipped) {
  KillAgent();
  const std::uint64_t faults = ProtocolFaults();
  auto wrote = guest().shell().Ask("port_write", {{"port", "org.seaward.agent.0"},
                                                  {"hex",
                                                   "5357524401ff00005a5a5a5a5a5a5a5a"
                                                   "00000000ffffffff00112233445566778899"}});
  ASSERT_TRUE(wrote.has_value()) << wrote.error().Text();
  StartAgent();
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  ExpectOnlyRetired(1);
  EXPECT_GT(ProtocolFaults(), faults) << "skipped, but not silently";
}

}  // namespace
}  // namespace seaward::testing
