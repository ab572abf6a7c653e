// The agent's package in a whole Debian guest: its units under systemd, its early stage in the
// initramfs that the distribution makes with --initramfs=TOOL (tests/images/make-guest-root).
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/file_io.h"
#include "tests/guest/hosted_guest.h"
#include "tests/guest/run_with_images.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGuestName[] = "debian";
const Uuid kVm = ParseUuid("5ea3a4d0-0000-4000-8000-00000000deb0").value();
constexpr char kUnit[] = "seaward-agent.service";
constexpr double kMostExposed = 2.0;  // as packages_test wants it of the file
// Of linux/capability.h: 1 << CAP_SYS_ADMIN.
constexpr std::uint64_t kOnlySysAdmin = std::uint64_t{1} << 21;
// A whole distribution starts under emulation, on a machine that may be busy with other things.
constexpr std::chrono::seconds kBootLimit{900};
constexpr std::chrono::seconds kPatience{180};
// dpkg's trigger has the initramfs made anew: ten minutes and more under emulation.
constexpr std::chrono::seconds kInitramfsLimit{1800};

DebianImage image;

// /proc, /sys and /dev are other file systems; links to the host's ports are by udev's own rules.
constexpr char kFilesOfUs[] =
    "find / /run -xdev -path /run/udev/links -prune -o "
    "'(' -name '*seaward*' -o -path '*/seaward/*' ')' -print";

class GuestImage : public HostedGuest {
 protected:
  // `words`: more of them on the kernel's command line.
  void BootsDebian(const std::string& words = {}) {
    Boots(image.guest, {.name = kGuestName,
                        .uuid = kVm,
                        .memory_mib = image.guest.memory_mib,
                        .more_words = "root=/dev/vda rw " + words,
                        .early = false,  // systemd starts them, not the test's command server
                        .agent = false,
                        .disk = image.disk,
                        .boot_limit = kBootLimit});
    if (HasFatalFailure()) throw std::runtime_error("the guest did not boot");
  }

  void AwaitNextBoot() {
    auto done = guest().AwaitNextBoot();
    if (!done) throw std::runtime_error(done.error().Text());
  }

  void RebootsInOrder() {
    InGuest("systemctl --no-block reboot");
    AwaitNextBoot();
  }

  // Into the kernel and the initramfs that are on its disk.
  void Kexecs() {
    InGuest(
        "v=$(uname -r); kexec --load /boot/vmlinuz-$v --initrd=/boot/initrd.img-$v --reuse-cmdline "
        "--append=seaward.test=kexec");
    InGuest("systemctl --no-block kexec");
    AwaitNextBoot();
    InGuest("grep -qw seaward.test=kexec /proc/cmdline");
  }

  // What of the package is in the initramfs on its disk, which initramfs-tools made.
  std::string OfUsInTheInitramfs() {
    return InGuest(
        "lsinitramfs /boot/initrd.img-$(uname -r) >/tmp/listed && sed -n /seaward/p /tmp/listed");
  }

  // What a shell in the guest printed; another exit status than 0 is a failure.
  std::string InGuest(const std::string& line, std::chrono::milliseconds limit = kPatience) {
    auto reply = guest().shell().Ask("exec", {{"argv", {"/bin/sh", "-c", line}}}, limit);
    if (!reply) throw std::runtime_error(line + ": " + reply.error().Text());
    auto output = (*reply)["output"].get<std::string>();
    EXPECT_EQ(reply->value("exit", -1), 0) << line << "\n" << output;
    while (!output.empty() && output.back() == '\n') output.pop_back();
    return output;
  }

  std::string Property(const std::string& name, const std::string& unit = kUnit) {
    return InGuest(fmt::format("systemctl show --value --property={} {}", name, unit));
  }
  double SecondsOf(const std::string& name, const std::string& unit = "") {
    return std::stod(Property(name, unit)) / 1e6;
  }

  void AwaitAgent() {
    const auto active = [&] { return Property("ActiveState") == "active"; };
    ASSERT_TRUE(WaitUntil(active, kPatience)) << InGuest(fmt::format("systemctl status {}", kUnit));
  }

  std::string UnitsLog() {
    return InGuest(fmt::format("journalctl --boot --no-pager --output=cat --unit={}", kUnit));
  }

  // Any boot's kernel has a few percent of the frames in use itself, and gives those to nobody.
  std::vector<GuestPhysAddr> RetiredPages() {
    std::vector<GuestPhysAddr> pages(4);
    for (GuestPhysAddr& page : pages) page = RetiredPage();
    return pages;
  }

  // What this boot's kernel did when it was first told to take the page out of use: its own log.
  struct Attempt {
    double seconds;
    bool recovered;  // else it has the page in use itself
  };
  Attempt FirstAttempt(GuestPhysAddr page) {
    const auto lines = Asked("kernel_log", {{"with", "Memory failure: 0x"}})["lines"];
    const auto wanted = fmt::format("0x{:x}: recovery action", page.value / kPoisonGranule);
    for (const auto& entry : lines) {
      const auto line = entry.get<std::string>();
      if (line.find(wanted) != std::string::npos)
        return {std::stod(line.substr(line.find('[') + 1)), line.ends_with(": Recovered")};
    }
    ADD_FAILURE() << "the kernel says nothing about " << wanted << ": " << lines.dump();
    return {};
  }

  // All were tried in [after, before), and the kernel gave at least half of them up. Returns those.
  std::vector<GuestPhysAddr> TakenBetween(double after, double before,
                                          const std::vector<GuestPhysAddr>& pages) {
    std::vector<GuestPhysAddr> taken;
    for (const GuestPhysAddr page : pages) {
      const Attempt attempt = FirstAttempt(page);
      EXPECT_GE(attempt.seconds, after);
      EXPECT_LT(attempt.seconds, before);
      if (!attempt.recovered) continue;
      taken.push_back(page);
      EXPECT_TRUE(HasFlag(page, "HWPOISON"));
    }
    EXPECT_GE(taken.size(), pages.size() / 2);
    return taken;
  }

  GuestShell::Json Asked(const std::string& command, const GuestShell::Json& arguments) {
    auto reply = guest().shell().Ask(command, arguments);
    if (!reply) throw std::runtime_error(reply.error().Text());
    return *reply;
  }

  // Before anything of the root file system ran, and the daemon knows of it.
  void ExpectRetiredInTheInitramfs(const std::vector<GuestPhysAddr>& pages) {
    AwaitAgent();
    const auto taken = TakenBetween(0, SecondsOf("UserspaceTimestampMonotonic"), pages);
    for (const GuestPhysAddr page : taken) {
      const LedgerPage verdict = Verdict(page);
      EXPECT_EQ(verdict.outcome, "retired");
      EXPECT_EQ(verdict.stage, "early");
    }
    EXPECT_THAT(UnitsLog(),
                HasSubstr(fmt::format("event=boot_log_read verdicts={} retired_bytes={}",
                                      pages.size(), taken.size() * kPoisonGranule)));
  }
};

TEST_F(GuestImage, TheUnitWorksAndTheInitramfsRetiresInEveryBoot) {
  BootsDebian();
  AwaitAgent();
  EXPECT_EQ(InGuest("systemctl --no-legend --plain list-units --failed"), "");
  const std::vector<GuestPhysAddr> pages = RetiredPages();
  EXPECT_EQ(Verdict(pages.front()).stage, "run");

  // It is hardened as the running manager sees it, and works.
  const std::string shown = InGuest(fmt::format("systemd-analyze --no-pager security {}", kUnit));
  std::smatch exposure;
  ASSERT_TRUE(std::regex_search(shown, exposure, std::regex(R"(exposure level for \S+: ([\d.]+))")))
      << shown;
  EXPECT_LE(std::stod(exposure[1]), kMostExposed) << shown;
  std::istringstream status(InGuest(fmt::format("cat /proc/{}/status", Property("MainPID"))));
  std::map<std::string, std::uint64_t> capabilities;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Cap"))
      capabilities[line.substr(0, 6)] = std::stoull(line.substr(7), nullptr, 16);
  EXPECT_EQ(capabilities["CapPrm"], kOnlySysAdmin);
  EXPECT_EQ(capabilities["CapEff"], kOnlySysAdmin);
  EXPECT_EQ(capabilities["CapBnd"], kOnlySysAdmin);
  EXPECT_EQ(capabilities["CapInh"] | capabilities["CapAmb"], 0U);

  RebootsInOrder();
  ExpectRetiredInTheInitramfs(pages);
  RebootsInOrder();
  ExpectRetiredInTheInitramfs(pages);
}

TEST_F(GuestImage, WithASilentHostTheJournalIsReplayedBeforeSysinit) {
  BootsDebian();
  AwaitAgent();
  const std::vector<GuestPhysAddr> pages = RetiredPages();
  EXPECT_EQ(host().StopNotifier().exit_code, 0);
  RebootsInOrder();
  AwaitAgent();
  const auto taken =
      TakenBetween(SecondsOf("UserspaceTimestampMonotonic"),
                   SecondsOf("ActiveEnterTimestampMonotonic", "sysinit.target"), pages);
  EXPECT_THAT(UnitsLog(),
              HasSubstr(fmt::format("event=journal_replayed entries={} retired_bytes={}",
                                    pages.size(), taken.size() * kPoisonGranule)));
  // It is told when it is back.
  ASSERT_TRUE(host().StartNotifier().has_value()) << host().Logs();
  for (const GuestPhysAddr page : taken) EXPECT_EQ(Verdict(page).outcome, "retired");
}

TEST_F(GuestImage, AfterKexecTheInitramfsRetiresAgain) {
  BootsDebian();
  AwaitAgent();
  const std::vector<GuestPhysAddr> pages = RetiredPages();
  Kexecs();
  ExpectRetiredInTheInitramfs(pages);
}

TEST_F(GuestImage, APurgeLeavesNothing) {
  BootsDebian();
  AwaitAgent();
  const GuestPhysAddr page = RetiredPage();
  EXPECT_THAT(OfUsInTheInitramfs(), HasSubstr("sbin/seaward-agent"));
  EXPECT_THAT(InGuest(kFilesOfUs), HasSubstr("/var/lib/seaward/journal"));
  InGuest("dpkg --listfiles seaward-agent | sed 1d >/tmp/shipped");

  InGuest("dpkg --purge seaward-agent 2>&1", kInitramfsLimit);
  EXPECT_THAT(InGuest("dpkg-query --show 'seaward*' 2>&1 || true"), HasSubstr("no packages found"));
  EXPECT_EQ(
      InGuest(
          "while read -r path; do if [ -e \"$path\" ]; then dpkg-query --search \"$path\" 2>&1; "
          "fi; done </tmp/shipped | sed -n '/no path found/p'"),
      "");
  EXPECT_EQ(InGuest(kFilesOfUs), "");
  EXPECT_EQ(InGuest("grep -rl seaward-agent /etc /run/systemd /run/udev /var/lib/systemd || true"),
            "");
  EXPECT_EQ(InGuest("for p in /proc/[0-9]*/exe; do readlink $p || true; done | sed -n /seaward/p"),
            "");
  EXPECT_EQ(InGuest("systemctl --no-legend --plain --all list-units 'seaward*'"), "");
  EXPECT_EQ(InGuest("systemctl --no-legend --plain --all list-unit-files 'seaward*' || true"), "");
  EXPECT_EQ(OfUsInTheInitramfs(), "");

  // The initramfs that was made without it boots, and nothing is done about the page.
  Kexecs();
  EXPECT_EQ(InGuest("systemctl --no-legend --plain list-units --failed"), "");
  EXPECT_EQ(InGuest(kFilesOfUs), "");
  EXPECT_FALSE(HasFlag(page, "HWPOISON"));
}

TEST_F(GuestImage, ACrashKernelIsLeftAlone) {
  BootsDebian("crashkernel=384M");
  AwaitAgent();
  const GuestPhysAddr page = RetiredPage();
  InGuest(
      "v=$(uname -r); kexec --load-panic /boot/vmlinuz-$v --initrd=/boot/initrd.img-$v "
      "--command-line=\"$(sed 's/crashkernel=[^ ]*//' /proc/cmdline) nr_cpus=1 reset_devices\"");
  Asked("sysrq", {{"key", "c"}});
  AwaitNextBoot();
  EXPECT_EQ(InGuest("ls /proc/vmcore"), "/proc/vmcore");
  EXPECT_EQ(Property("ConditionResult"), "no");
  EXPECT_EQ(Property("ActiveState"), "inactive");
  EXPECT_EQ(Property("ConditionResult", "seaward-nextboot.path"), "no");
  // Neither did the initramfs, nor does it when it is asked to.
  EXPECT_THAT(InGuest("seaward-agent run 2>&1"),
              HasSubstr("event=not_running why=\"this is a crash kernel\""));
  EXPECT_THAT(Asked("kernel_log", {{"with", "Memory failure: 0x"}})["lines"], IsEmpty());
  const auto pages = host().PagesAt(page);
  ASSERT_TRUE(pages.has_value()) << pages.error().Text();
  ASSERT_EQ(pages->size(), 1U);
  EXPECT_NE(pages->front().boot, guest().boot_id());
}

}  // namespace

int RunGuestImageTests(int argc, char** argv) {
  constexpr std::string_view kTool = "--initramfs=";
  const std::string_view word = argc > 1 ? argv[1] : "";
  const std::string tool(word.starts_with(kTool) ? word.substr(kTool.size()) : "initramfs-tools");
  return RunWithImages<DebianImage>(argc, argv, FindDebianImage(tool),
                                    [&](const DebianImage& found) {
                                      image = found;
                                      std::printf("guest kernel %s, initramfs by %s\n",
                                                  image.guest.kernel_version.c_str(), tool.c_str());
                                    });
}

}  // namespace seaward::testing

int main(int argc, char** argv) {
  return seaward::testing::RunGuestImageTests(argc, argv);
}
