#include "tests/guest/uefi_guest.h"

#include <cstdio>
#include <string_view>

#include "tests/guest/run_with_images.h"
#include "tests/support/guest_files.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

constexpr char kGuestName[] = "uefi";
const Uuid kVm = ParseUuid("5ea3a4d0-0000-4000-8000-0000000000ef").value();
// AAVMF of Debian 12 needs more than 160 MiB, and the kernel's image a piece of its own.
constexpr unsigned kMemoryMib = 512;
constexpr std::chrono::seconds kPatience{60};

}  // namespace

GuestImages UefiGuest::images;

GuestPlan UefiGuest::DefaultPlan() {
  return {.name = kGuestName, .uuid = kVm, .memory_mib = kMemoryMib, .uefi = true};
}

void UefiGuest::Boots(const std::string& loader, GuestPlan plan) {
  if (plan.uefi) {
    plan.disk = dir_ / "disk.img";
    plan.boot_from_disk = loader != "none";
    auto disk = MakeBootDisk(loader, images, TcgGuest::CommandLine(plan), plan.disk);
    ASSERT_TRUE(disk.has_value()) << disk.error().Text();
  }
  HostedGuest::Boots(images, plan);
}

// The disk's driver finds its partition a moment after it was loaded.
void UefiGuest::Settle() {
  if (!guest().plan().uefi) return;
  std::string why;
  const auto mounted = [&] {
    auto done = guest().shell().Ask(
        "mount", {{"type", "vfat"}, {"source", "/dev/vda1"}, {"folder", "/boot/efi"}});
    if (!done) why = done.error().Text();
    return done.has_value();
  };
  ASSERT_TRUE(WaitUntil(mounted, kPatience)) << why;
}

void UefiGuest::AwaitListWith(GuestPhysAddr page) {
  const auto there = [&] {
    auto reply = guest().shell().Ask("read_hex", {{"path", "/var/lib/seaward/next-boot"}});
    return reply && ListBeginsRangeAt((*reply)["hex"].get<std::string>(), page);
  };
  ASSERT_TRUE(WaitUntil(there, kPatience)) << "the daemon's list lacks the page";
}

std::string UefiGuest::Agent(std::vector<std::string> words, int exit_code) {
  words.insert(words.begin(), "/usr/sbin/seaward-agent");
  auto reply = guest().shell().Ask("exec", {{"argv", words}}, kPatience);
  if (!reply) throw std::runtime_error(reply.error().Text());
  const auto output = (*reply)["output"].get<std::string>();
  EXPECT_EQ(reply->value("exit", -1), exit_code) << output;
  return output;
}

std::string UefiGuest::EarlyStageSaid() {
  auto status = guest().shell().Ask("status");
  if (!status) throw std::runtime_error(status.error().Text());
  return (*status)["early"]["output"].get<std::string>();
}

void UefiGuest::ExpectKeptFromTheKernel(GuestPhysAddr page) {
  EXPECT_FALSE(InSystemRam(page)) << FormatAddress(page.value);
  EXPECT_EQ(Verdict(page).outcome, "excluded_before_boot") << EarlyStageSaid();
  EXPECT_FALSE(HasFlag(page, "BUDDY"));
  EXPECT_FALSE(HasFlag(page, "HWPOISON"));
}

void UefiGuest::ExpectRetiredByTheEarlyStage(GuestPhysAddr page) {
  EXPECT_TRUE(InSystemRam(page)) << FormatAddress(page.value);
  const LedgerPage verdict = Verdict(page);
  EXPECT_EQ(verdict.outcome, "retired") << EarlyStageSaid();
  EXPECT_EQ(verdict.stage, "early");
  EXPECT_TRUE(HasFlag(page, "HWPOISON"));
}

int UefiGuest::RunAll(int argc, char** argv) {
  auto machine = GuestMachine::kArm64;
  if (argc > 1 && std::string_view(argv[1]) == "--machine=x86-64") machine = GuestMachine::kX86;
  return RunWithImages<GuestImages>(
      argc, argv, FindUefiGuestImages(machine), [](const GuestImages& found) {
        images = found;
        std::printf("guest kernel %s\n", images.kernel_version.c_str());
      });
}

}  // namespace seaward::testing

int main(int argc, char** argv) {
  return seaward::testing::UefiGuest::RunAll(argc, argv);
}
