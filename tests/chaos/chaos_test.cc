// Schedules of chance against real machines: three fixed seeds and a random one, or what the
// environment wishes (wishes.h). A schedule that fails is printed, shrunk, and can be played again.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <random>

#include "base/clock.h"
#include "base/file_io.h"
#include "tests/chaos/plan/shrink.h"
#include "tests/chaos/report.h"
#include "tests/chaos/run.h"
#include "tests/chaos/wishes.h"

namespace seaward::chaos {
namespace {

class Bench : public ::testing::Environment {
 public:
  Bench(testing::GuestImages images, Wishes wishes)
      : images_(std::move(images)), wishes_(std::move(wishes)) {}

  // Fails the test that asks when an invariant does not hold.
  void PlayAndReport(const Schedule& schedule);
  const Wishes& wishes() const { return wishes_; }
  void TearDown() override;

 private:
  std::string ShrunkText(const Schedule& schedule, const std::string& invariant);

  const testing::GuestImages images_;
  const Wishes wishes_;
  Report report_;
};

Bench* bench = nullptr;  // GoogleTest deletes it

void Bench::PlayAndReport(const Schedule& schedule) {
  std::printf("seed %ju, %s\n", static_cast<std::uintmax_t>(schedule.seed),
              std::string(ToString(schedule.world)).c_str());
  Tally tally;
  const auto found = Play(schedule, images_, tally);
  report_.Add(schedule.seed, tally, found.has_value());
  if (!found) return;
  const std::string shrunk = ShrunkText(schedule, found->invariant);
  FAIL() << found->invariant << ": " << found->what << "\nplay it again: ./dev test chaos --seed "
         << schedule.seed << " --steps " << wishes_.steps << "\nwhat is left of it:\n"
         << shrunk;
}

// Steps are gone without which the same invariant is violated.
std::string Bench::ShrunkText(const Schedule& schedule, const std::string& invariant) {
  const SystemClock clock;
  const MonoTime end = clock.Now() + wishes_.shrink;
  Schedule shrunk = schedule;
  shrunk.steps = Shrink(
      schedule.steps,
      [&](const std::vector<Step>& steps) {
        std::printf("with %zu steps:\n", steps.size());
        Schedule fewer = schedule;
        fewer.steps = steps;
        Tally ignored;
        const auto found = Play(fewer, images_, ignored);
        return found && found->invariant == invariant;
      },
      [&] { return clock.Now() < end; });
  return Format(shrunk);
}

void Bench::TearDown() {
  const std::string path = std::string(SEAWARD_SOURCE_DIR) + "/build/chaos/report.json";
  const Status saved = report_.Save(path);
  EXPECT_TRUE(saved.has_value()) << saved.error().Text();
  std::printf("%s", report_.Json().c_str());
}

std::uint64_t RandomSeed() {
  std::random_device random;
  return random() % 1'000'000;  // short enough to be typed
}

class FixedSeed : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(FixedSeed, LosesNothingSilently) {
  const Wishes& wishes = bench->wishes();
  if (wishes.seed || wishes.minutes || !wishes.schedule.empty()) return;  // not asked for
  bench->PlayAndReport(MakeSchedule(GetParam(), wishes.steps));
}

INSTANTIATE_TEST_SUITE_P(Chaos, FixedSeed, ::testing::ValuesIn(FixedSeeds()),
                         ::testing::PrintToStringParamName());

TEST(Chaos, LosesNothingSilentlyWithSeedsOfChance) {
  const Wishes& wishes = bench->wishes();
  if (!wishes.schedule.empty()) return;
  const SystemClock clock;
  const MonoTime end = clock.Now() + wishes.minutes.value_or(std::chrono::minutes(0));
  std::uint64_t seed = wishes.seed.value_or(RandomSeed());
  do {
    bench->PlayAndReport(MakeSchedule(seed, wishes.steps));
    ++seed;
  } while (!HasFatalFailure() && clock.Now() < end);
}

TEST(Chaos, LosesNothingSilentlyInTheScheduleOfAFile) {
  const Wishes& wishes = bench->wishes();
  if (wishes.schedule.empty()) return;
  const auto text = ReadTextFile(wishes.schedule, 1U << 20);
  ASSERT_TRUE(text.has_value()) << text.error().Text();
  const auto schedule = ParseSchedule(*text);
  ASSERT_TRUE(schedule.has_value()) << schedule.error().Text();
  bench->PlayAndReport(*schedule);
}

int Main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a VMM that was killed takes no orders
  auto images = testing::FindGuestImages();
  if (!images && images.error().code == ErrorCode::kUnsupported) {
    std::printf("SEAWARD-SKIP: %s\n", images.error().Text().c_str());
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  auto wishes = ReadWishes();
  if (!images || !wishes) {
    std::printf("cannot run: %s\n", (!images ? images.error() : wishes.error()).Text().c_str());
    return 1;
  }
  bench = new Bench(*images, *wishes);
  ::testing::AddGlobalTestEnvironment(bench);
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace seaward::chaos

int main(int argc, char** argv) {
  return seaward::chaos::Main(argc, argv);
}
