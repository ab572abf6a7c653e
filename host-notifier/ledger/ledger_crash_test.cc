// Dies at every place where a write of the ledger can stand, and at random times, and looks at what
// is there afterwards. $SEAWARD_CRASH_JSON: where the figures go.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "host-notifier/ledger/ledger_cases_fixture.h"

namespace seaward::ledger {
namespace {

using FaultPoint = std::string;

FaultPoint PointOf(WriteOperation operation, CommitMoment moment) {
  return std::string(ToString(operation)) + "/" + std::string(ToString(moment));
}
FaultPoint PointOf(PageLife from, PageEvent event, CommitMoment moment) {
  return std::string(ToString(from)) + " on " + std::string(ToString(event)) + "/" +
         std::string(ToString(moment));
}

// From the two tables alone: whoever adds a write or a life adds its points.
std::set<FaultPoint> RegisteredPoints() {
  std::set<FaultPoint> points;
  for (const WriteOperation operation : kAllWriteOperations)
    for (const CommitMoment moment : kAllCommitMoments) points.insert(PointOf(operation, moment));
  for (const LifeChange& change : AllLifeChanges())
    for (const CommitMoment moment : {CommitMoment::kWorked, CommitMoment::kCommitted})
      points.insert(PointOf(change.from, change.event, moment));
  return points;
}

// Names the places that a write comes by, each with whether it is durable there.
class PointProbe : public LedgerProbe {
 public:
  void Reached(WriteOperation operation, CommitMoment moment) override {
    if (moment == CommitMoment::kBegun) moved_.clear();
    const bool durable = moment == CommitMoment::kCommitted;
    At(PointOf(operation, moment), durable);
    if (!durable) return;
    for (const auto& [from, event] : moved_) At(PointOf(from, event, moment), true);
  }
  void Moved(PageLife from, PageEvent event) override {
    moved_.emplace_back(from, event);
    At(PointOf(from, event, CommitMoment::kWorked), false);
  }

 protected:
  virtual void At(const FaultPoint& point, bool durable) = 0;

 private:
  std::vector<std::pair<PageLife, PageEvent>> moved_;
};

class Visitor final : public PointProbe {
 public:
  std::map<FaultPoint, bool> durable_at;

 private:
  void At(const FaultPoint& point, bool durable) override { durable_at[point] = durable; }
};

class Killer final : public PointProbe {
 public:
  explicit Killer(FaultPoint point) : point_(std::move(point)) {}

 private:
  void At(const FaultPoint& point, bool) override {
    if (point == point_) ::raise(SIGKILL);
  }
  const FaultPoint point_;
};

// The figures of this run, for whoever compares runs.
void WriteFigures(const std::map<std::string, std::uint64_t>& figures) {
  static std::map<std::string, std::uint64_t> all;
  all.insert(figures.begin(), figures.end());
  const char* path = std::getenv("SEAWARD_CRASH_JSON");
  if (path == nullptr) return;
  std::ofstream out(path);
  const char* comma = "{";
  for (const auto& [key, value] : all) {
    out << comma << '"' << key << "\": " << value;
    comma = ", ";
  }
  out << "}\n";
}

class LedgerCrash : public LedgerCases {
 protected:
  // True: a process that did the same died there.
  bool DiesAt(const FaultPoint& point, const LedgerCase& play) {
    const pid_t child = ::fork();
    if (child == 0) {
      Killer killer(point);
      static_cast<void>(Play("victim", play, &killer));
      ::_exit(0);
    }
    int end = 0;
    return ::waitpid(child, &end, 0) == child && WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL;
  }
};

TEST_F(LedgerCrash, LeavesAllOfAWriteOrNothingAtEveryPlace) {
  std::vector<LedgerCase> plays = WriteCases();
  for (LedgerCase& play : LifeCases()) plays.push_back(std::move(play));
  std::set<FaultPoint> visited;
  std::set<FaultPoint> killed;
  std::uint64_t lost = 0;
  for (const LedgerCase& play : plays) {
    SetScene("before", play);
    if (HasFatalFailure()) return;
    const std::string before = RowsOf("before");
    CopyScene("before", "after");
    Visitor visitor;
    const auto played = Play("after", play, &visitor);
    ASSERT_TRUE(played) << play.name << ": " << played.error().Text();
    const std::string after = RowsOf("after");
    EXPECT_NE(before, after) << play.name;
    for (const auto& [point, durable] : visitor.durable_at) {
      // Every play opens the ledger; only one is about that.
      if (!visited.insert(point).second) continue;
      CopyScene("before", "victim");
      if (DiesAt(point, play)) killed.insert(point);
      const bool kept = RowsOf("victim") == (durable ? after : before);
      EXPECT_TRUE(kept) << play.name << ", killed at " << point;
      // Whoever was not told that it is done does it again.
      const bool repeated = durable || (Play("victim", play, nullptr) && RowsOf("victim") == after);
      EXPECT_TRUE(repeated) << play.name << ", repeated after " << point;
      lost += kept && repeated ? 0 : 1;
    }
  }
  EXPECT_EQ(visited, RegisteredPoints());
  EXPECT_EQ(killed, RegisteredPoints());
  WriteFigures({{"crash_points", RegisteredPoints().size()},
                {"crash_points_killed", killed.size()},
                {"crash_points_lost", lost}});
}

// Page after page: seen, delivered, answered, retired in the host.
class Writer {
 public:
  static constexpr std::uint64_t kStepsPerPage = 4;

  Writer(Ledger& ledger, const FakeClock& clock, const Uuid& life)
      : ledger_(ledger), clock_(clock), life_(life) {}

  static ByteRange PageOf(std::uint64_t step) {
    return ByteRange::Granule(GuestPhysAddr{step / kStepsPerPage << 12});
  }
  Status Do(std::uint64_t step) {
    const std::uint64_t id = step / kStepsPerPage + 1;
    switch (step % kStepsPerPage) {
      case 0: {
        PoisonEvent event = CaseEvent(clock_, protocol::Evidence::kConsumed);
        event.range = PageOf(step);
        return Bare(ledger_.RecordEvent(life_, event, PageFrame{step + 1}));
      }
      case 1:
        return ledger_.RecordDelivered(std::vector{id});
      case 2: {
        protocol::VerdictRecord record;
        record.id = id;
        record.range = PageOf(step);
        record.outcome = protocol::Outcome::kRetired;
        return Bare(ledger_.RecordVerdict(life_, kGuestBoot1, record, clock_.Now()));
      }
      default:
        return ledger_.RecordHostRetirement(id, HostRetired::kYes, 0);
    }
  }

 private:
  Ledger& ledger_;
  const FakeClock& clock_;
  const Uuid life_;
};

class LedgerRandomCrash : public LedgerCases {
 protected:
  static constexpr int kKills = 200;
  // Room for all that a fast disk takes in that time.
  static constexpr LedgerLimits kRoom{.pages_per_incarnation = 1 << 20,
                                      .event_rows_per_vm = 1 << 20};

  void BeginLife() {
    std::filesystem::create_directory(folder_ + "/life");
    FakeClock clock;
    auto opened = Ledger::Open(Path("life"), kHostBoot, clock, kRoom);
    ASSERT_TRUE(opened);
    incarnation_ = opened->ledger->BeginIncarnation(kVm, kVmm)->id;
    ASSERT_TRUE(opened->ledger->BeginBoot(incarnation_, kGuestBoot1));
  }
  [[noreturn]] void WriteOn(std::uint64_t step, int acknowledge) {
    FakeClock clock;
    auto opened = Ledger::Open(Path("life"), kHostBoot, clock, kRoom);
    if (!opened || opened->set_aside) ::_exit(2);
    Writer writer(*opened->ledger, clock, incarnation_);
    for (;; ++step) {
      if (!writer.Do(step)) ::_exit(3);
      if (::write(acknowledge, &step, sizeof(step)) != sizeof(step)) ::_exit(4);
    }
  }
  // How many steps are on record; the page at hand says how far it is.
  std::uint64_t StepsOnRecord() {
    FakeClock clock;
    auto opened = Ledger::Open(Path("life"), kHostBoot, clock, kRoom);
    if (!opened || opened->set_aside) return 0;
    const auto pages = opened->ledger->View().Pages({.vm = {}, .limit = 1 << 20}).value();
    const auto events = opened->ledger->View().Events({.vm = {}, .limit = 1 << 20}).value();
    EXPECT_EQ(pages.size(), events.size()) << "one event each";
    std::uint64_t steps = 0;
    for (const PageRow& page : pages) {
      EXPECT_EQ(page.id, steps / Writer::kStepsPerPage + 1) << "none is missing or doubled";
      EXPECT_EQ(page.range, Writer::PageOf(steps));
      EXPECT_EQ(page.event_count, 1u);
      const bool last = page.id == pages.size();
      steps += page.host_retired == HostRetired::kYes ? 4
               : page.life == PageLife::kRetired      ? 3
               : page.life == PageLife::kDelivered    ? 2
                                                      : 1;
      EXPECT_TRUE(last || steps == page.id * Writer::kStepsPerPage) << "page " << page.id;
    }
    return steps;
  }
  // The child's last acknowledged step, plus one.
  static std::uint64_t ReadAcknowledged(int pipe, std::uint64_t acknowledged) {
    for (std::uint64_t step = 0; ::read(pipe, &step, sizeof(step)) == sizeof(step);)
      acknowledged = step + 1;
    return acknowledged;
  }
};

TEST_F(LedgerRandomCrash, LosesNothingThatWasAcknowledgedAndDoublesNothing) {
  const char* given = std::getenv("SEAWARD_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu (SEAWARD_SEED)\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  BeginLife();
  std::uint64_t on_record = 0;
  std::uint64_t lost = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      WriteOn(on_record, pipe[1]);
    }
    ::close(pipe[1]);
    // Somewhere between the first look at the file and some dozens of commits.
    std::uint64_t first = 0;
    const bool wait_for_one = random() % 2 == 0;
    if (wait_for_one && ::read(pipe[0], &first, sizeof(first)) != sizeof(first)) ADD_FAILURE();
    ::usleep(static_cast<useconds_t>(random() % 10000));
    ::kill(child, SIGKILL);
    int end = 0;
    ASSERT_EQ(::waitpid(child, &end, 0), child);
    EXPECT_TRUE(WIFSIGNALED(end)) << "the writer ended by itself: " << WEXITSTATUS(end);
    const std::uint64_t acknowledged =
        ReadAcknowledged(pipe[0], std::max(on_record, wait_for_one ? first + 1 : 0));
    ::close(pipe[0]);
    const std::uint64_t now = StepsOnRecord();
    // One more may be durable than its writer lived to say.
    const bool good = now == acknowledged || now == acknowledged + 1;
    EXPECT_TRUE(good) << "kill " << kill << ": " << acknowledged << " acknowledged, " << now
                      << " on record";
    lost += good ? 0 : 1;
    on_record = now;
  }
  EXPECT_GT(on_record, 0u);
  WriteFigures({{"random_kills", kKills}, {"random_kills_lost", lost}});
}

}  // namespace
}  // namespace seaward::ledger
