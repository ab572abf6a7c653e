// What the agent answers for each kind of page, and what is then true in the guest.
#include <signal.h>

#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

using VerdictOfAPage = GuardedGuest;

// Physical addresses of the virt machine below its RAM: devices. QEMU hw/arm/virt.c, base_memmap.
constexpr GuestPhysAddr kUart{0x09000000};

TEST_F(VerdictOfAPage, FreePageIsRetired) {
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  EXPECT_EQ(Verdict(page).kind, "free");
  EXPECT_GT(Verdict(page).exposure_ns, 0);
}

TEST_F(VerdictOfAPage, AnonymousPageKillsOnlyItsOwnerAndIsNeverGivenToAnybody) {
  const Victim owner = StartVictim();
  const Victim bystander = StartVictim();
  PublishExit(owner.page);
  ExpectRetiredOnce(owner.page);
  EXPECT_EQ(Verdict(owner.page).kind, "anonymous");

  int sig = 0;
  EXPECT_EQ(TouchVictim(owner, sig), "died");
  EXPECT_EQ(sig, SIGBUS);
  EXPECT_EQ(TouchVictim(bystander, sig), "intact");

  auto handout = guest().TakeAllMemory(owner.page);
  ASSERT_TRUE(handout.has_value()) << handout.error().Text();
  // The guest has 256 MiB; the kernel, its image and 16 MiB of rest are out of reach.
  EXPECT_GT(handout->pages, 30000U) << "memory was not searched";
  EXPECT_FALSE(handout->given);
}

TEST_F(VerdictOfAPage, KernelTextIsInKernelNotRetired) {
  auto page = guest().FindInIomem("Kernel code");
  ASSERT_TRUE(page.has_value()) << page.error().Text();
  PublishExit(*page);
  const LedgerPage verdict = Verdict(*page);
  EXPECT_EQ(verdict.outcome, "in_kernel");
  EXPECT_EQ(verdict.exposure_ns, 0) << "exposure ends with `retired` only";
  auto rows = host().PagesAt(*page);
  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(rows->size(), 1U);
}

TEST_F(VerdictOfAPage, AddressOfADeviceIsNotRam) {
  PublishExit(kUart);
  EXPECT_EQ(Verdict(kUart).outcome, "not_ram");
}

TEST_F(VerdictOfAPage, SamePageTwiceIsOneRowWithOneVerdict) {
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  const std::uint64_t corrupted = HardwareCorruptedKb();

  PublishExit(page);
  ASSERT_TRUE(WaitUntil([&] { return RowAt(page).events == 2; }, kPatience))
      << "the second exit is lost";
  ExpectRetiredOnce(page);
  EXPECT_EQ(HardwareCorruptedKb(), corrupted);
}

TEST_F(VerdictOfAPage, PredictedPageMovesWithItsDataIntact) {
  const Victim owner = StartVictim();
  auto reported = host().Report(owner.page, "predicted");
  ASSERT_TRUE(reported.has_value()) << reported.error().Text();
  ExpectRetiredOnce(owner.page);

  int sig = 0;
  EXPECT_EQ(TouchVictim(owner, sig), "intact");
  auto where = guest().shell().Ask("victim_where", {{"pid", owner.pid}});
  ASSERT_TRUE(where.has_value()) << where.error().Text();
  EXPECT_NE((*where)["page"].get<std::string>(), FormatAddress(owner.page.value));
}

}  // namespace
}  // namespace seaward::testing
