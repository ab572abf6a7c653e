// A VMM of its own that uses libseaward-vmm (../example-vmm): real exits without QEMU, libvirt and
// Linux as a guest.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>

#include "tests/lab/cases/lab_fixture.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kStep{120};
constexpr char kLog[] = "/run/example-vmm.log";
constexpr char kStaticVm[] = R"(static_vms:
  - name: example
    uuid: 6f1d5c1e-7b0a-4a53-9d34-2f9a5a1c7e01
    channel: /run/no-channel.sock
)";

class ExampleVmm : public LabFixture {
 protected:
  // Its output once there is a line that begins so.
  std::string Output(const std::string& begins) {
    auto text = lab_->host().Shell(
        fmt::format("until grep -q '^{0}' {1}; do kill -0 {2} || {{ cat {1}; exit 1; }}; sleep "
                    "0.1; done; cat {1}",
                    begins, kLog, pid_),
        kStep);
    EXPECT_TRUE(text) << text.error().Text();
    return text ? *text : std::string();
  }
  pid_t pid_ = -1;
};

TEST_F(ExampleVmm, PublishesARealExitAndTellsItsGuest) {
  ASSERT_NO_FATAL_FAILURE(WithNotifier({.more = kStaticVm}));
  auto pid = lab_->host().Spawn({"/seaward/bin/example-vmm", kAttachSocket},
                                {"LD_LIBRARY_PATH=/seaward/lib"}, kLog);
  ASSERT_TRUE(pid) << pid.error().Text();
  pid_ = *pid;
  std::uint64_t gpa = 0, hva = 0;
  ASSERT_EQ(std::sscanf(Output("ready").c_str(), "ready gpa=%" SCNx64 " hva=%" SCNx64, &gpa, &hva),
            2);
  auto page = lab_->host().command_server().Ask(
      "process_pages", {{"pid", pid_}, {"at", FormatAddress(hva)}, {"pages", 1}}, kStep);
  ASSERT_TRUE(page) << page.error().Text();
  const HostPhysAddr backing{page->at("frame").get<std::uint64_t>() * kPoisonGranule};
  ASSERT_TRUE(MakeBad({gpa}, backing));

  const std::string said = Output("guest esr");
  EXPECT_NE(said.find(fmt::format("exit flags=1 esr=92000010 gva={0:x} gpa={0:x}", gpa)),
            std::string::npos)
      << said;
  EXPECT_NE(said.find(fmt::format("guest far={:x}", gpa)), std::string::npos) << said;
  EXPECT_NE(said.find("guest esr=96000010"), std::string::npos) << "its own level: " << said;
  auto ended = lab_->host().command_server().Ask("wait", {{"pid", pid_}}, kStep);
  ASSERT_TRUE(ended) << ended.error().Text();
  EXPECT_EQ(ended->value("exit", -1), 0) << "the notifier has noted the exit";
  EXPECT_EQ(lab_->AbortsOn({gpa}), 1u);

  auto events = lab_->Seawardctl("events --vm example");
  ASSERT_TRUE(events) << events.error().Text();
  ASSERT_EQ(events->at("events").size(), 1u);
  EXPECT_EQ(events->at("events").at(0).at("gpa"), FormatAddress(gpa));
}

}  // namespace
}  // namespace seaward::lab
