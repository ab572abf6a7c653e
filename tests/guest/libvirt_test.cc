// The same guest, found and followed through libvirt.
#include <signal.h>

#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

class GuestOfLibvirt : public GuardedGuest {
 protected:
  void SetUp() override { UseMachines(bench->GuardedThroughLibvirt()); }
  void ReportAndExpectRetired() {
    const GuestPhysAddr page = FreePage();
    // Right after a restart the domain may not be known yet.
    const auto reported = host().ReportOnceKnown(page, "latent");
    ASSERT_TRUE(reported) << reported.error().Text() << host().Logs();
    ExpectRetiredOnce(page);
    reported_.push_back(page);
  }
  std::vector<GuestPhysAddr> reported_;
};

TEST_F(GuestOfLibvirt, IsServedAcrossRestartsOfLibvirtd) {
  ReportAndExpectRetired();

  auto restarted = bench->libvirtd().Restart(SIGTERM);
  ASSERT_TRUE(restarted.has_value()) << restarted.error().Text();
  ReportAndExpectRetired();

  restarted = bench->libvirtd().Restart(SIGKILL);
  ASSERT_TRUE(restarted.has_value()) << restarted.error().Text();
  ReportAndExpectRetired();

  auto rebooted = guest().Reset();
  ASSERT_TRUE(rebooted.has_value()) << rebooted.error().Text();
  for (const GuestPhysAddr page : reported_) ExpectRetiredOnce(page);
}

}  // namespace
}  // namespace seaward::testing
