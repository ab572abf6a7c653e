// A bad page where the next kernel's image would lie, on real exits: no early stage can help there,
// only what runs before the kernel.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/guest_files.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kShort{60};
// Into the kernel's code, far from its head, which every boot reads first.
constexpr std::uint64_t kIntoTheImage = 4U << 20;

class BeforeKernel : public LabFixture {
 protected:
  // A guest whose kernel lies at the same place in every boot, as far as it is free.
  NestedGuest* StartWithEsp(const std::string& name) {
    NestedGuest* guest = StartGuest({.name = name, .board = Board::kEsp, .more_words = "nokaslr"});
    if (guest != nullptr) MountEsp(*guest);
    return guest;
  }
  // Its driver finds the partition a moment after it was loaded.
  static void MountEsp(NestedGuest& guest) {
    const auto mounted = [&] {
      return guest
          .Ask("mount", {{"type", "vfat"}, {"source", "/dev/vda1"}, {"folder", "/boot/efi"}},
               kShort)
          .has_value();
    };
    ASSERT_TRUE(testing::WaitUntil(mounted, kSettles)) << "no ESP";
  }
  static std::string Read(NestedGuest& guest, const std::string& path) {
    auto reply = guest.AskAgain("read", {{"path", path}}, kSettles);
    EXPECT_TRUE(reply) << reply.error().Text();
    return reply ? reply->at("text").get<std::string>() : "";
  }
  static std::optional<ByteRange> InIomem(NestedGuest& guest, std::string_view what,
                                          std::optional<GuestPhysAddr> page = std::nullopt) {
    return testing::FindInIomem(Read(guest, "/proc/iomem"), what, page);
  }
  static std::string Agent(NestedGuest& guest, std::vector<std::string> words) {
    words.insert(words.begin(), "/usr/sbin/seaward-agent");
    auto reply = guest.Ask("exec", {{"argv", words}}, kGuestWork);
    EXPECT_TRUE(reply) << reply.error().Text();
    if (!reply) return "";
    const auto output = reply->at("output").get<std::string>();
    EXPECT_EQ(reply->value("exit", -1), 0) << output;
    return output;
  }
  // The daemon's list for the next boot follows the verdict by a second.
  static void AwaitListWith(NestedGuest& guest, GuestPhysAddr page) {
    const auto there = [&] {
      const auto reply = guest.Ask("read_hex", {{"path", "/var/lib/seaward/next-boot"}}, kShort);
      return reply && testing::ListBeginsRangeAt(reply->at("hex").get<std::string>(), page);
    };
    ASSERT_TRUE(testing::WaitUntil(there, kSettles)) << "the list for the next boot lacks the page";
  }
  // Reported by the host before anybody consumed it; the guest's kernel cannot give it up.
  GuestPhysAddr PageOfTheKernel(NestedGuest& guest) {
    const auto code = InIomem(guest, "Kernel code");
    EXPECT_TRUE(code);
    if (!code) return {};
    const GuestPhysAddr page{code->start().value + kIntoTheImage};
    const auto said = lab_->Seawardctl("report --vm " + guest.name() + " --gpa " +
                                       FormatAddress(page.value) + " --evidence latent");
    EXPECT_TRUE(said) << said.error().Text();
    ExpectPage(guest, "outcome", "in_kernel");
    AwaitListWith(guest, page);
    return page;
  }
  // The page goes bad while nothing in the guest runs; then the guest boots.
  void BootsWithBad(NestedGuest& guest, GuestPhysAddr page) {
    ASSERT_TRUE(guest.Pause());
    const auto bad = MakeBad(guest, page);
    ASSERT_TRUE(bad) << bad.error().Text();
    ASSERT_TRUE(guest.Reset());
    ASSERT_TRUE(guest.Resume());
  }
};

TEST_F(BeforeKernel, AGuestBootsBesideABadPageUnderItsKernelWithTheDriverAndNeverWithoutIt) {
  NestedGuest* guest = StartWithEsp("listed");
  ASSERT_NE(guest, nullptr);
  ASSERT_FALSE(HasFatalFailure());
  const GuestPhysAddr page = PageOfTheKernel(*guest);
  ASSERT_FALSE(HasFailure());
  EXPECT_NE(Agent(*guest, {"install-boot", "--method", "efi-driver"}).find("method=efi-driver"),
            std::string::npos);

  const auto begin = std::chrono::steady_clock::now();
  ASSERT_NO_FATAL_FAILURE(BootsWithBad(*guest, page));
  const auto up = guest->WaitUp(kGuestUp);
  ASSERT_TRUE(up) << up.error().Text();
  const auto boot_took = std::chrono::steady_clock::now() - begin;
  EXPECT_FALSE(InIomem(*guest, "System RAM", page)) << FormatAddress(page.value);
  EXPECT_TRUE(InIomem(*guest, "Kernel code"));
  EXPECT_EQ(lab_->AbortsOn(page), 0u) << "firmware or kernel touched the page";
  ExpectPage(*guest, "outcome", "excluded_before_boot");
  ExpectAllMemorySound(*guest, page);

  // The same machine, the same page, no driver: the control.
  MountEsp(*guest);
  EXPECT_NE(Agent(*guest, {"uninstall-boot"}).find("boot_method_removed"), std::string::npos);
  ASSERT_TRUE(guest->Reset());
  EXPECT_TRUE(testing::WaitUntil([&] { return lab_->AbortsOn(page) > 0; }, kGuestUp))
      << "the kernel lies elsewhere";
  const auto patience = std::chrono::ceil<std::chrono::seconds>(3 * boot_took);
  EXPECT_FALSE(guest->WaitUp(patience)) << "the guest booted over a bad page";
  lab_->narrator().Say(fmt::format(
      "with the driver up after {} s; without it not within {} s, {} aborts on the page",
      std::chrono::ceil<std::chrono::seconds>(boot_took).count(), patience.count(),
      lab_->AbortsOn(page)));
}

}  // namespace
}  // namespace seaward::lab
