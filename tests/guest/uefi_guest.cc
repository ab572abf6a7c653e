#include "tests/guest/uefi_guest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string_view>

#include "base/file_io.h"
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

void UefiGuest::TearDown() {
  if (!HasFailure() || !guest_) return;
  constexpr std::size_t kTail = 6000;
  const std::string console = ReadTextFile(guest_->console_path(), 64U << 20).value_or("");
  std::printf("--- console of the guest\n%s\n",
              console.substr(console.size() - std::min(console.size(), kTail)).c_str());
}

GuestPlan UefiGuest::DefaultPlan() {
  return {.name = kGuestName, .uuid = kVm, .memory_mib = kMemoryMib, .uefi = true};
}

void UefiGuest::Boots(const std::string& loader, GuestPlan plan) {
  auto libvirtd = PrivateLibvirtd::Start();
  ASSERT_TRUE(libvirtd.has_value()) << libvirtd.error().Text();
  libvirtd_ = std::move(*libvirtd);
  host_.emplace(HostPlan{.vm = kVm,
                         .vm_name = kGuestName,
                         .channel = TcgGuest::ChannelPath(libvirtd_->folder(), kGuestName),
                         // A power cycle is another process: without this, other memory, in which
                         // nothing is bad.
                         .more_config = fmt::format("fixed_backing: [{}]\n", kGuestName)});
  ASSERT_TRUE(host_->StartNotifier().has_value()) << host_->Logs();
  ASSERT_TRUE(host_->StartPublisher().has_value()) << host_->Logs();
  plan.machine = images.machine;
  plan.cpu = images.cpu;
  if (plan.uefi) {
    plan.disk = dir_ / "disk.img";
    plan.boot_from_disk = loader != "none";
    auto disk = MakeBootDisk(loader, images, TcgGuest::CommandLine(plan), plan.disk);
    ASSERT_TRUE(disk.has_value()) << disk.error().Text();
  }
  auto guest = TcgGuest::Start(*libvirtd_, images, plan);
  ASSERT_TRUE(guest.has_value()) << guest.error().Text();
  guest_ = std::move(*guest);
  MountEsp();
}

void UefiGuest::Reboots() {
  auto done = guest().RebootFromInside();
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  MountEsp();
}

void UefiGuest::PowerCycles(const TcgGuest::NextLife& next) {
  auto done = guest().PowerCycle(next);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  MountEsp();
}

// The disk's driver finds its partition a moment after it was loaded.
void UefiGuest::MountEsp() {
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

GuestPhysAddr UefiGuest::RetiredPage() {
  auto page = guest().PickFreePage();
  if (!page) throw std::runtime_error(page.error().Text());
  if (auto done = host().Publish(*page); !done) throw std::runtime_error(done.error().Text());
  EXPECT_EQ(Verdict(*page).outcome, "retired");
  return *page;
}

void UefiGuest::AwaitListWith(GuestPhysAddr page) {
  // Little-endian, as it stands in the file.
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(page.value >> (8 * i));
  const auto there = [&] {
    auto reply = guest().shell().Ask("read_hex", {{"path", "/var/lib/seaward/next-boot"}});
    if (!reply) return false;
    std::string hex;
    char two[3];
    for (const char byte : bytes) {
      std::snprintf(two, sizeof two, "%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(byte)));
      hex += two;
    }
    return (*reply)["hex"].get<std::string>().find(hex) != std::string::npos;
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

bool UefiGuest::InSystemRam(GuestPhysAddr page) {
  auto reply = guest().shell().Ask("read", {{"path", "/proc/iomem"}});
  if (!reply) throw std::runtime_error(reply.error().Text());
  std::istringstream lines((*reply)["text"].get<std::string>());
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" : System RAM") == std::string::npos) continue;
    std::size_t dash = 0;
    const std::uint64_t first = std::stoull(line, &dash, 16);
    const std::uint64_t last = std::stoull(line.substr(dash + 1), nullptr, 16);
    if (first <= page.value && page.value <= last) return true;
  }
  return false;
}

bool UefiGuest::HasFlag(GuestPhysAddr page, const std::string& flag) {
  auto flags = guest().FrameFlags(page);
  if (!flags) throw std::runtime_error(flags.error().Text());
  return std::find(flags->begin(), flags->end(), flag) != flags->end();
}

LedgerPage UefiGuest::Verdict(GuestPhysAddr page) {
  auto verdict = host().WaitForVerdict(page, guest().boot_id());
  if (!verdict) throw std::runtime_error(verdict.error().Text());
  return *verdict;
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
  auto found = FindUefiGuestImages(machine);
  if (!found && found.error().code == ErrorCode::kUnsupported) {
    std::printf("SEAWARD-SKIP: %s\n", found.error().Text().c_str());
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  if (!found) {
    std::printf("no images: %s\n", found.error().Text().c_str());
    return 1;
  }
  images = *found;
  std::printf("guest kernel %s\n", images.kernel_version.c_str());
  return RUN_ALL_TESTS();
}

}  // namespace seaward::testing

int main(int argc, char** argv) {
  return seaward::testing::UefiGuest::RunAll(argc, argv);
}
