// The table of guest-agent/retire/VERDICTS.md, row by row, on a real kernel: what the kernel does
// with a bad page of each kind, what the agent answers, and what the process that held it feels.
// --kernel=newest|16k|bookworm; a row that a kernel does not have is skipped as "n/a: reason".
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>

#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

constexpr int kTouched = 4;  // BUS_MCEERR_AR: action required, the page was touched
constexpr int kTold = 5;     // BUS_MCEERR_AO: action optional, told ahead of any touch
constexpr GuestPhysAddr kUart{0x09000000};  // QEMU hw/arm/virt.c, base_memmap
constexpr char kEnableSoft[] = "/proc/sys/vm/enable_soft_offline";
constexpr char kEarlyKill[] = "/proc/sys/vm/memory_failure_early_kill";
constexpr char kHugePages[] = "/proc/sys/vm/nr_hugepages";

class PageOfAKind : public GuardedGuest {
 protected:
  using Json = GuestShell::Json;
  struct Held {
    int pid;
    GuestPhysAddr page;
    std::vector<GuestPhysAddr> others;
  };

  void TearDown() override {
    for (const int pid : held_) (void)guest().shell().Ask("page_end", {{"pid", pid}});
    for (const auto& [path, text] : settings_)
      (void)guest().shell().Ask("write", {{"path", path}, {"text", text}});
    GuardedGuest::TearDown();
  }

  Json Asked(const std::string& command, const Json& arguments) {
    auto reply = guest().shell().Ask(command, arguments);
    if (!reply) throw std::runtime_error(reply.error().Text());
    return *reply;
  }
  bool Exists(const std::string& path) {
    return guest().shell().Ask("read", {{"path", path}}).has_value();
  }
  // Until the end of the case.
  void Set(const std::string& path, const std::string& text) {
    settings_.emplace_back(path, Asked("read", {{"path", path}})["text"].get<std::string>());
    Asked("write", {{"path", path}, {"text", text}});
  }
  std::uint64_t PageBytes() {
    if (page_bytes_ == 0) {
      const auto flags = Asked("status", Json::object());
      page_bytes_ = flags["page_size"].get<std::uint64_t>();
    }
    return page_bytes_;
  }

  Held Hold(Json plan) {
    const Json reply = Asked("page_hold", std::move(plan));
    Held held{
        reply["pid"].get<int>(), {ParseAddress(reply["page"].get<std::string>()).value()}, {}};
    for (const auto& other : reply["others"])
      held.others.push_back({ParseAddress(other.get<std::string>()).value()});
    held_.push_back(held.pid);
    return held;
  }
  // Frames of System RAM, told by their flags.
  std::vector<GuestPhysAddr> FramesWith(const std::vector<std::string>& flags,
                                        const std::vector<std::string>& without) {
    constexpr std::size_t kCount = 2;
    std::vector<std::string> never = without;
    never.push_back("HWPOISON");
    const Json reply =
        Asked("find_frames", {{"with", flags}, {"without", never}, {"count", kCount}});
    std::vector<GuestPhysAddr> frames;
    for (const auto& frame : reply["frames"])
      frames.push_back({ParseAddress(frame.get<std::string>()).value()});
    if (frames.size() < kCount) throw std::runtime_error("too few frames with " + flags.front());
    return frames;
  }

  // What soft-offlining says of a page that it cannot move.
  int SoftRefusal() {
    const std::string kernel = Asked("status", Json::object())["kernel"].get<std::string>();
    return kernel.starts_with("6.1.") ? EIO : ENOTRECOVERABLE;
  }

  void ReportHard(GuestPhysAddr page) { PublishExit(page); }
  void ReportSoft(GuestPhysAddr page) {
    auto reported = host().Report(page, "predicted");
    ASSERT_TRUE(reported.has_value()) << reported.error().Text();
  }
  void ExpectVerdict(GuestPhysAddr page, const std::string& outcome, const std::string& kind,
                     int sys_errno) {
    const LedgerPage verdict = Verdict(page);
    EXPECT_EQ(verdict.outcome, outcome) << FormatAddress(page.value);
    EXPECT_EQ(verdict.kind, kind) << FormatAddress(page.value);
    EXPECT_EQ(verdict.sys_errno, sys_errno) << FormatAddress(page.value);
  }
  // The kernel's own answer to a write without the agent; 0 or an errno.
  int RawOffline(const std::string& verb, GuestPhysAddr page) {
    auto reply = guest().shell().Ask(
        "write", {{"path", "/sys/devices/system/memory/" + verb + "_offline_page"},
                  {"text", FormatAddress(page.value)}});
    return reply ? 0 : reply.error().sys_errno;
  }
  // "intact", "changed", "died", or "CODE/LSB" of the SIGBUS.
  std::string Check(const Held& held) {
    const Json reply = Asked("page_check", {{"pid", held.pid}});
    if (!reply.contains("bus")) return reply["touch"].get<std::string>();
    return BusWord(reply);
  }
  std::string Signal(const Held& held) {
    return BusWord(Asked("page_signal", {{"pid", held.pid}}));
  }
  std::string Lost(int code, std::uint64_t bytes) {
    return std::to_string(code) + "/" + std::to_string(__builtin_ctzll(bytes));
  }
  bool Moved(const Held& held) {
    const Json reply = Asked("page_where", {{"pid", held.pid}});
    return reply["page"].get<std::string>() != FormatAddress(held.page.value);
  }
  std::uint64_t LargeBytes() { return (2U << 20) * (PageBytes() / 4096) * (PageBytes() / 4096); }

  // Soft: the data moves, and whoever holds the page notices nothing.
  void ExpectSoftMoves(Json plan, const std::string& kind) {
    const bool mapped = plan.value("state", "") != "unmapped";
    const Held held = Hold(std::move(plan));
    ReportSoft(held.page);
    ExpectVerdict(held.page, "retired", kind, 0);
    EXPECT_TRUE(HasFlag(held.page, "HWPOISON"));
    EXPECT_EQ(Check(held), "intact");
    EXPECT_TRUE(!mapped || Moved(held));
  }
  // Hard: the content is gone, and the process learns it when it touches the page.
  void ExpectHardIsFelt(Json plan, const std::string& kind, std::uint64_t lost) {
    const Held held = Hold(std::move(plan));
    ReportHard(held.page);
    ExpectVerdict(held.page, "retired", kind, 0);
    EXPECT_EQ(Check(held), Lost(kTouched, lost));
  }
  // Hard: the disk has the content.
  void ExpectHardIsReadAgain(Json plan) {
    const Held held = Hold(std::move(plan));
    ReportHard(held.page);
    ExpectVerdict(held.page, "retired", "file", 0);
    EXPECT_EQ(Check(held), "intact");
    EXPECT_TRUE(HasFlag(held.page, "HWPOISON"));
  }
  // A page of the kernel's: `hard` leaves a flag that proves nothing, `soft` leaves none.
  void ExpectInKernel(GuestPhysAddr soft, GuestPhysAddr hard, const std::string& kind) {
    ReportSoft(soft);
    ExpectVerdict(soft, "in_kernel", kind, SoftRefusal());
    EXPECT_FALSE(HasFlag(soft, "HWPOISON"));
    const std::uint64_t corrupted = HardwareCorruptedKb();
    ReportHard(hard);
    ExpectVerdict(hard, "in_kernel", kind, EBUSY);
    EXPECT_TRUE(HasFlag(hard, "HWPOISON")) << "the flag that proves nothing";
    EXPECT_EQ(HardwareCorruptedKb(), corrupted + PageBytes() / 1024);
  }

 private:
  static std::string BusWord(const Json& reply) {
    return std::to_string(reply["bus"]["code"].get<int>()) + "/" +
           std::to_string(reply["bus"]["lsb"].get<int>());
  }

  std::vector<int> held_;
  std::vector<std::pair<std::string, std::string>> settings_;
  std::uint64_t page_bytes_ = 0;
};

TEST_F(PageOfAKind, Free) {
  const GuestPhysAddr soft = FreePage();
  ReportSoft(soft);
  ExpectVerdict(soft, "retired", "free", 0);
  const GuestPhysAddr hard = FreePage();
  ReportHard(hard);
  ExpectRetiredOnce(hard);
  ExpectVerdict(hard, "retired", "free", 0);
}

TEST_F(PageOfAKind, AnonymousSoft) {
  ExpectSoftMoves({{"kind", "anonymous"}}, "anonymous");
}

TEST_F(PageOfAKind, AnonymousHardLivesUntilItTouchesThePage) {
  const Held held = Hold({{"kind", "anonymous"}});
  ReportHard(held.page);
  ExpectVerdict(held.page, "retired", "anonymous", 0);
  EXPECT_EQ(Check(held), Lost(kTouched, PageBytes()));
}

TEST_F(PageOfAKind, AnonymousWithPrMceKillEarlyIsToldAtOnceAndMayGoOn) {
  const Held held = Hold({{"kind", "anonymous"}, {"mce_kill", "early"}});
  ReportHard(held.page);
  ExpectVerdict(held.page, "retired", "anonymous", 0);
  EXPECT_EQ(Signal(held), Lost(kTold, PageBytes()));
  EXPECT_EQ(Check(held), Lost(kTouched, PageBytes())) << "it lived, and then touched the page";
}

TEST_F(PageOfAKind, AnonymousUnderTheEarlyKillSwitchDiesAtOnce) {
  Set(kEarlyKill, "1");
  const Held held = Hold({{"kind", "anonymous"}, {"handles", false}});
  ReportHard(held.page);
  ExpectVerdict(held.page, "retired", "anonymous", 0);
  const Json end = Asked("wait", {{"pid", held.pid}});
  EXPECT_EQ(end.value("signal", 0), SIGBUS) << end.dump();
}

TEST_F(PageOfAKind, PrMceKillLateWinsOverTheEarlyKillSwitch) {
  Set(kEarlyKill, "1");
  const Held held = Hold({{"kind", "anonymous"}, {"mce_kill", "late"}});
  ReportHard(held.page);
  ExpectVerdict(held.page, "retired", "anonymous", 0);
  EXPECT_EQ(Check(held), Lost(kTouched, PageBytes()));
}

TEST_F(PageOfAKind, TmpfsDirtySoft) {
  ExpectSoftMoves({{"kind", "tmpfs"}}, "file");
}
TEST_F(PageOfAKind, TmpfsDirtyHard) {
  ExpectHardIsFelt({{"kind", "tmpfs"}}, "file", PageBytes());
}

TEST_F(PageOfAKind, FileCleanMappedSoft) {
  ExpectSoftMoves({{"kind", "file"}, {"state", "clean"}}, "file");
}
TEST_F(PageOfAKind, FileCleanMappedHard) {
  ExpectHardIsReadAgain({{"kind", "file"}, {"state", "clean"}});
}
TEST_F(PageOfAKind, FileCleanUnmappedSoft) {
  ExpectSoftMoves({{"kind", "file"}, {"state", "unmapped"}}, "file");
}
TEST_F(PageOfAKind, FileCleanUnmappedHard) {
  ExpectHardIsReadAgain({{"kind", "file"}, {"state", "unmapped"}});
}
TEST_F(PageOfAKind, FileDirtyMappedSoft) {
  ExpectSoftMoves({{"kind", "file"}}, "file");
}
TEST_F(PageOfAKind, FileDirtyMappedHard) {
  ExpectHardIsFelt({{"kind", "file"}}, "file", PageBytes());
}

class TransparentHugePage : public PageOfAKind {
 protected:
  void SetUp() override {
    PageOfAKind::SetUp();
    // Linux leaves them off in a machine of less than 512 MiB.
    constexpr char kSwitch[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    if (Exists(kSwitch)) Asked("write", {{"path", kSwitch}, {"text", "always"}});
  }
  // False: this kernel gives none.
  bool Made(Held& held) {
    auto reply = guest().shell().Ask("page_hold", {{"kind", "thp"}});
    if (!reply) return false;
    (void)guest().shell().Ask("page_end", {{"pid", (*reply)["pid"]}});
    held = Hold({{"kind", "thp"}});
    return HasFlag(held.page, "THP");
  }
};

TEST_F(TransparentHugePage, SoftSplitsAndMoves) {
  Held held;
  if (!Made(held)) GTEST_SKIP() << "n/a: no transparent huge page to be had";
  ReportSoft(held.page);
  ExpectVerdict(held.page, "retired", "transparent_huge", 0);
  EXPECT_EQ(Check(held), "intact");
  EXPECT_TRUE(Moved(held));
}

TEST_F(TransparentHugePage, HardSplitsAndOnePageIsLost) {
  Held held;
  if (!Made(held)) GTEST_SKIP() << "n/a: no transparent huge page to be had";
  ReportHard(held.page);
  ExpectVerdict(held.page, "retired", "transparent_huge", 0);
  EXPECT_EQ(Check(held), Lost(kTouched, PageBytes()));
}

class HugetlbPage : public PageOfAKind {
 protected:
  void SetUp() override {
    PageOfAKind::SetUp();
    Set(kHugePages, "4");
  }
  int PoolPages() {
    return std::stoi(Asked("read", {{"path", kHugePages}})["text"].get<std::string>());
  }
};

TEST_F(HugetlbPage, InUseSoftMovesAndThePoolKeepsTheRest) {
  const Held held = Hold({{"kind", "hugetlb"}});
  ReportSoft(held.page);
  ExpectVerdict(held.page, "retired", "huge", 0);
  EXPECT_EQ(Check(held), "intact");
  EXPECT_TRUE(Moved(held));
}

TEST_F(HugetlbPage, InUseHardLosesAllOfIt) {
  const Held held = Hold({{"kind", "hugetlb"}});
  const int pool = PoolPages();
  ReportHard(held.page);
  ExpectVerdict(held.page, "retired", "huge", 0);
  EXPECT_EQ(Check(held), Lost(kTouched, LargeBytes()));
  EXPECT_LT(PoolPages(), pool);
}

TEST_F(HugetlbPage, FreeLosesOnePage) {
  // Of two huge pages: the first one is dissolved.
  const GuestPhysAddr soft = FramesWith({"HUGE", "TAIL"}, {"MMAP", "ANON"}).front();
  ReportSoft(soft);
  ExpectVerdict(soft, "retired", "huge", 0);
  EXPECT_FALSE(HasFlag(soft, "HUGE")) << "dissolved";
  const GuestPhysAddr hard = FramesWith({"HUGE", "TAIL"}, {"MMAP", "ANON"}).front();
  ReportHard(hard);
  ExpectVerdict(hard, "retired", "huge", 0);
  EXPECT_TRUE(HasFlag(hard, "HWPOISON"));
}

TEST_F(PageOfAKind, Slab) {
  const auto frames = FramesWith({"SLAB"}, {});
  ExpectInKernel(frames[0], frames[1], "kernel");
}

TEST_F(PageOfAKind, PageTable) {
  const Held held = Hold({{"kind", "tables"}});
  ASSERT_GE(held.others.size(), 2u);
  ExpectInKernel(held.others[0], held.others[1], "kernel");
}

TEST_F(PageOfAKind, PageTableIsRetiredWhenItsProcessIsGone) {
  const Held held = Hold({{"kind", "tables"}});
  ASSERT_FALSE(held.others.empty());
  const GuestPhysAddr table = held.others[held.others.size() / 2];
  ReportHard(table);
  ExpectVerdict(table, "in_kernel", "kernel", EBUSY);
  Asked("page_end", {{"pid", held.pid}});
  EXPECT_TRUE(host().WaitForLife(table, "retired")) << RowAt(table).outcome;
  EXPECT_TRUE(HasFlag(table, "HWPOISON"));
  EXPECT_FALSE(HasFlag(table, "PGTABLE"));
  EXPECT_FALSE(HasFlag(table, "BUDDY"));
}

TEST_F(PageOfAKind, KernelText) {
  auto text = guest().FindInIomem("Kernel code");
  ASSERT_TRUE(text.has_value()) << text.error().Text();
  const std::uint64_t soft = text->value + 4 * PageBytes();
  const std::uint64_t hard = text->value + 8 * PageBytes();
  ExpectInKernel(ByteRange::Granule({soft}).start(), ByteRange::Granule({hard}).start(),
                 "reserved");
}

TEST_F(PageOfAKind, Reserved) {
  auto data = guest().FindInIomem("Kernel data");
  ASSERT_TRUE(data.has_value()) << data.error().Text();
  const std::uint64_t page = data->value + 4 * PageBytes();
  const GuestPhysAddr soft{page / PageBytes() * PageBytes()};
  const GuestPhysAddr hard{soft.value + PageBytes()};
  ExpectInKernel(soft, hard, "reserved");
}

TEST_F(PageOfAKind, NotRam) {
  EXPECT_EQ(RawOffline("soft", kUart), ENXIO);
  const std::uint64_t corrupted = HardwareCorruptedKb();
  const int hard = RawOffline("hard", kUart);
  EXPECT_TRUE(hard == EBUSY || hard == ENXIO) << hard;
  EXPECT_EQ(HardwareCorruptedKb(), corrupted) << "no accounting";
  ReportHard(kUart);
  ExpectVerdict(kUart, "not_ram", "offline", 0);
}

TEST_F(PageOfAKind, AlreadyPoisoned) {
  const GuestPhysAddr page = FreePage();
  ASSERT_EQ(RawOffline("hard", page), 0);
  EXPECT_EQ(RawOffline("soft", page), 0) << "says 0 whatever the page is";
  EXPECT_EQ(RawOffline("hard", page), EHWPOISON);
  ReportHard(page);
  ExpectVerdict(page, "already_retired", "hwpoison", EHWPOISON);
  const GuestPhysAddr other = FreePage();
  ASSERT_EQ(RawOffline("hard", other), 0);
  ReportSoft(other);
  ExpectVerdict(other, "already_retired", "hwpoison", EHWPOISON);
}

TEST_F(PageOfAKind, SoftDisabled) {
  if (!Exists(kEnableSoft)) GTEST_SKIP() << "n/a: this kernel has no vm.enable_soft_offline";
  Set(kEnableSoft, "0");
  const Held held = Hold({{"kind", "anonymous"}});
  ReportSoft(held.page);
  ExpectVerdict(held.page, "failed", "anonymous", EOPNOTSUPP);
  EXPECT_FALSE(HasFlag(held.page, "HWPOISON"));
  EXPECT_EQ(Check(held), "intact");
}

TEST_F(PageOfAKind, TheCountersOfTheNodeCountHardAttemptsOnly) {
  constexpr char kTotal[] = "/sys/devices/system/node/node0/memory_failure/total";
  if (!Exists(kTotal)) GTEST_SKIP() << "n/a: this kernel has no counters per node";
  const auto total = [&] {
    return std::stoi(Asked("read", {{"path", kTotal}})["text"].get<std::string>());
  };
  const int before = total();
  const GuestPhysAddr soft = FreePage();
  ReportSoft(soft);
  ExpectVerdict(soft, "retired", "free", 0);
  EXPECT_EQ(total(), before);
  const GuestPhysAddr hard = FreePage();
  ReportHard(hard);
  ExpectVerdict(hard, "retired", "free", 0);
  EXPECT_EQ(total(), before + 1);
}

}  // namespace
}  // namespace seaward::testing
