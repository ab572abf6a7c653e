// How much of a guest's memory is protected when it goes bad, and when in the next boot: pages at
// random places, a reboot, and then the guest's kernel is asked about each, not the agent.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/guest/coverage_prober.h"
#include "tests/guest/figures.h"
#include "tests/guest/uefi_guest.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

constexpr std::size_t kPages = 200;
constexpr std::uint64_t kDefaultSeed = 20;
// QEMU's virt machine: where memory begins.
constexpr std::uint64_t kRamBegins = std::uint64_t{1} << 30;
// Pages bad at 200 places leave no room for a kernel's image in a small machine.
constexpr unsigned kMemoryMib = 4096;
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::chrono::seconds kPatience{120};
// What the daemon gets back from the kernel it gets early; the time is what is measured.
constexpr std::chrono::seconds kLater{30};
constexpr double kBeforeKernelGoal = 95;
constexpr double kEarlyGoal = 92;

std::uint64_t Number(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::stoull(text) : otherwise;
}

// How a boot protects the pages: counted at two moments.
struct Coverage {
  std::size_t before_kernel = 0;
  std::size_t early = 0;
  std::size_t later = 0;
  std::size_t never = 0;                     // those of the firmware are among them
  std::map<std::string, std::size_t> kinds;  // of `never`
};

double Percent(std::size_t part) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(kPages);
}

class CoverageTest : public UefiGuest {
 protected:
  void BootsWithout(const char* what, bool uefi) {
    std::printf("%s\n", what);
    GuestPlan plan = DefaultPlan();
    plan.memory_mib = static_cast<unsigned>(Number("SEAWARD_MEMORY_MIB", kMemoryMib));
    plan.agent = false;  // when the daemon begins is the case's to say
    plan.loglevel = 1;
    plan.uefi = uefi;
    Boots("none", plan);
    if (HasFatalFailure()) throw std::runtime_error("the guest did not boot");
  }

  void StartDaemon() {
    auto started = guest().shell().Ask("agent_start");
    ASSERT_TRUE(started.has_value()) << started.error().Text();
    daemon_ = (*started)["pid"].get<int>();
  }

  // Anywhere in the machine's memory, but for the frames of the two programs under test: each page
  // stands for a machine of which one page is bad, and 200 at once would end the measurement.
  std::vector<GuestPhysAddr> DrawPages() {
    const std::uint64_t seed = Number("SEAWARD_SEED", kDefaultSeed);
    std::vector<int> pids{1};
    if (daemon_ > 0) pids.push_back(daemon_);
    auto reply = guest().shell().Ask(
        "frames_of_programs", {{"pids", pids}, {"files", {"/init", "/usr/sbin/seaward-agent"}}});
    if (!reply) throw std::runtime_error(reply.error().Text());
    std::set<std::uint64_t> ours;
    for (const auto& text : (*reply)["frames"])
      ours.insert(ParseAddress(text.get<std::string>()).value());
    const std::uint64_t memory = std::uint64_t{guest().plan().memory_mib} << 20;
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<std::uint64_t> any(0, memory / kPageBytes - 1);
    std::set<std::uint64_t> drawn;
    std::size_t again = 0;
    while (drawn.size() < kPages) {
      const std::uint64_t at = kRamBegins + any(random) * kPageBytes;
      if (ours.contains(at)) {
        ++again;
      } else {
        drawn.insert(at);
      }
    }
    std::printf(
        "seed %llu (SEAWARD_SEED), %u MiB, %zu frames of agent and command server (%zu drawn "
        "again)\n",
        static_cast<unsigned long long>(seed), guest().plan().memory_mib, ours.size(), again);
    std::vector<GuestPhysAddr> pages;
    for (const std::uint64_t at : drawn) pages.push_back(GuestPhysAddr{at});
    return pages;
  }

  // All of them are on record.
  void GoBad(const std::vector<GuestPhysAddr>& pages) {
    // A ring's lane holds so many at least.
    constexpr std::size_t kAtOnce = 16;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      ASSERT_TRUE(host().Publish(pages[i]).has_value());
      const std::size_t sent = i + 1;
      if (sent % kAtOnce != 0 && sent != pages.size()) continue;
      ASSERT_TRUE(
          WaitUntil([&] { return Count("SELECT count(*) AS n FROM page") == sent; }, kPatience))
          << host().Logs();
    }
  }
  std::size_t Count(const std::string& sql) {
    auto rows = host().QueryLedger(sql);
    return rows && rows->size() == 1 ? (*rows)[0]["n"].get<std::size_t>() : 0;
  }
  void AwaitVerdicts() {
    const std::string asked = fmt::format(
        "SELECT count(DISTINCT page) AS n FROM verdict WHERE boot = '{}'", guest().boot_id());
    ASSERT_TRUE(WaitUntil([&] { return Count(asked) == kPages; }, kPatience))
        << Count(asked) << " verdicts\n"
        << host().Logs();
  }

  // The early stage's line about the driver; it has one per page as well.
  std::string DriversReport() {
    std::istringstream lines(EarlyStageSaid());
    for (std::string line; std::getline(lines, line);)
      if (line.find("event=before_kernel") != std::string::npos) return line;
    return "no report of the driver";
  }

  std::vector<ProbedPage> Probe(const std::vector<GuestPhysAddr>& pages) {
    auto probed = ProbePages(guest().shell(), pages);
    if (!probed) throw std::runtime_error(probed.error().Text());
    return *probed;
  }

  // In the boot that follows: what is so as it begins, and what the daemon adds. `firmware`: pages
  // that no kernel had, before anybody kept one away.
  Coverage Measure(const std::vector<GuestPhysAddr>& pages,
                   const std::set<std::uint64_t>& firmware) {
    const auto first = Probe(pages);
    StartDaemon();
    AwaitVerdicts();
    std::this_thread::sleep_for(kLater);
    const auto second = Probe(pages);
    Coverage coverage;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (firmware.contains(pages[i].value)) {
        ++coverage.never;
        ++coverage.kinds["the firmware's own"];
      } else if (first[i].protection == Protection::kOutside) {
        ++coverage.before_kernel;
      } else if (first[i].protection == Protection::kRetired) {
        ++coverage.early;
      } else if (second[i].protection == Protection::kRetired) {
        ++coverage.later;
      } else {
        ++coverage.never;
        ++coverage.kinds[second[i].kind];
      }
    }
    ExpectTheAgentSaysTheSame(second);
    for (const auto& [kind, count] : coverage.kinds)
      std::printf("  never: %zu x %s\n", count, kind.c_str());
    return coverage;
  }

  // Of all pages, by address.
  std::map<std::uint64_t, std::string> Outcomes() {
    auto rows = host().QueryLedger("SELECT gpa, outcome FROM page");
    if (!rows) throw std::runtime_error(rows.error().Text());
    std::map<std::uint64_t, std::string> outcomes;
    for (const auto& row : *rows)
      outcomes[row["gpa"].get<std::uint64_t>()] = row["outcome"].get<std::string>();
    return outcomes;
  }

  // The agent is believed nothing here; but what it says must be so.
  void ExpectTheAgentSaysTheSame(const std::vector<ProbedPage>& pages) {
    auto outcomes = Outcomes();
    for (const ProbedPage& probed : pages) {
      const std::string outcome = outcomes[probed.page.value];
      const std::string about = FormatAddress(probed.page.value) + ": " + probed.kind;
      EXPECT_EQ(outcome == "retired" || outcome == "already_retired",
                probed.protection == Protection::kRetired)
          << about << " is called " << outcome;
      if (outcome == "excluded_before_boot") {
        EXPECT_EQ(probed.protection, Protection::kOutside) << about;
      }
    }
  }

  // Every page that the next kernel can be kept from; neighbours are one range.
  void AwaitListWithAll(const std::vector<GuestPhysAddr>& pages,
                        const std::set<std::uint64_t>& firmware) {
    auto outcomes = Outcomes();
    const auto is_listed = [&](std::uint64_t at) {
      const auto outcome = outcomes.find(at);
      return outcome != outcomes.end() && outcome->second != "deferred" && !firmware.contains(at);
    };
    for (const GuestPhysAddr page : pages)
      if (is_listed(page.value) && !is_listed(page.value - kPageBytes)) AwaitListWith(page);
  }

 private:
  int daemon_ = 0;
};

std::set<std::uint64_t> Outside(const std::vector<ProbedPage>& pages) {
  std::set<std::uint64_t> outside;
  for (const ProbedPage& probed : pages)
    if (probed.protection == Protection::kOutside) outside.insert(probed.page.value);
  return outside;
}

TEST_F(CoverageTest, ByTheEarlyStageAlone) {
  BootsWithout("no firmware, no driver", false);
  const auto pages = DrawPages();
  const auto never_ram = Outside(Probe(pages));
  GoBad(pages);
  Reboots();
  const Coverage coverage = Measure(pages, never_ram);
  Figure("coverage_early_pct", Percent(coverage.early));
  std::printf("early %zu, later %zu, never %zu of %zu\n", coverage.early, coverage.later,
              coverage.never, kPages);
  EXPECT_EQ(coverage.before_kernel, 0U);
  EXPECT_GE(Percent(coverage.early), kEarlyGoal);
}

TEST_F(CoverageTest, WithTheDriverBeforeTheKernel) {
  BootsWithout("UEFI with our driver", true);
  StartDaemon();
  const auto pages = DrawPages();
  const auto firmware = Outside(Probe(pages));
  GoBad(pages);
  AwaitVerdicts();
  AwaitListWithAll(pages, firmware);
  EXPECT_THAT(Agent({"install-boot", "--method", "efi-driver"}),
              ::testing::HasSubstr("event=boot_method_installed method=efi-driver"));
  Reboots();
  std::printf("%s\n", DriversReport().c_str());
  const Coverage coverage = Measure(pages, firmware);
  Figure("coverage_before_kernel_pct", Percent(coverage.before_kernel));
  Figure("coverage_never_pct", Percent(coverage.never));
  std::printf("before the kernel %zu, early %zu, later %zu, never %zu of %zu\n",
              coverage.before_kernel, coverage.early, coverage.later, coverage.never, kPages);
  EXPECT_GE(Percent(coverage.before_kernel), kBeforeKernelGoal);
}

}  // namespace
}  // namespace seaward::testing
