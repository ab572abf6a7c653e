#include "tests/guest/hosted_guest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/file_io.h"
#include "tests/support/guest_files.h"

namespace seaward::testing {

void HostedGuest::TearDown() {
  if (!HasFailure() || !guest_) return;
  constexpr std::size_t kTail = 6000;
  const std::string console = ReadTextFile(guest_->console_path(), 64U << 20).value_or("");
  std::printf("--- console of the guest\n%s\n",
              console.substr(console.size() - std::min(console.size(), kTail)).c_str());
}

void HostedGuest::Boots(const GuestImages& images, GuestPlan plan) {
  auto libvirtd = PrivateLibvirtd::Start();
  ASSERT_TRUE(libvirtd.has_value()) << libvirtd.error().Text();
  libvirtd_ = std::move(*libvirtd);
  host_.emplace(HostPlan{.vm = plan.uuid,
                         .vm_name = plan.name,
                         .channel = TcgGuest::ChannelPath(libvirtd_->folder(), plan.name),
                         // A power cycle is another process: without this, other memory, in which
                         // nothing is bad.
                         .more_config = fmt::format("fixed_backing: [{}]\n", plan.name)});
  ASSERT_TRUE(host_->StartNotifier().has_value()) << host_->Logs();
  ASSERT_TRUE(host_->StartPublisher().has_value()) << host_->Logs();
  plan.machine = images.machine;
  plan.cpu = images.cpu;
  auto guest = TcgGuest::Start(*libvirtd_, images, plan);
  ASSERT_TRUE(guest.has_value()) << guest.error().Text();
  guest_ = std::move(*guest);
  Settle();
}

void HostedGuest::Reboots() {
  auto done = guest().RebootFromInside();
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  Settle();
}

void HostedGuest::PowerCycles(const TcgGuest::NextLife& next) {
  auto done = guest().PowerCycle(next);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
  Settle();
}

GuestPhysAddr HostedGuest::RetiredPage() {
  auto page = guest().PickFreePage();
  if (!page) throw std::runtime_error(page.error().Text());
  if (auto done = host().Publish(*page); !done) throw std::runtime_error(done.error().Text());
  EXPECT_EQ(Verdict(*page).outcome, "retired");
  return *page;
}

bool HostedGuest::InSystemRam(GuestPhysAddr page) {
  auto reply = guest().shell().Ask("read", {{"path", "/proc/iomem"}});
  if (!reply) throw std::runtime_error(reply.error().Text());
  return FindInIomem((*reply)["text"].get<std::string>(), "System RAM", page).has_value();
}

bool HostedGuest::HasFlag(GuestPhysAddr page, const std::string& flag) {
  auto flags = guest().FrameFlags(page);
  if (!flags) throw std::runtime_error(flags.error().Text());
  return std::find(flags->begin(), flags->end(), flag) != flags->end();
}

LedgerPage HostedGuest::Verdict(GuestPhysAddr page) {
  auto verdict = host().WaitForVerdict(page, guest().boot_id());
  if (!verdict) throw std::runtime_error(verdict.error().Text());
  return *verdict;
}

}  // namespace seaward::testing
