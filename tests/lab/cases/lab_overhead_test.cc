// What the interposer costs a guest that has no errors: three guests take turns at something that
// makes KVM_RUN return to QEMU each time. Two of them have the interposer: their difference is the
// noise that the third's is measured with. Left in build/lab/overhead.json.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/lab/cases/lab_fixture.h"

namespace seaward::lab {
namespace {

constexpr int kRounds = 25;
constexpr int kReads = 200;

// QEMU emulates the clock in its own process.
constexpr char kDeviceRegister[] = "/sys/class/rtc/rtc0/since_epoch";

double Quantile(std::vector<double> samples, double q) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(q * static_cast<double>(samples.size() - 1))];
}

class Overhead : public LabFixture {
 protected:
  // Of one read, microseconds.
  double Measure(NestedGuest& guest) {
    auto took = guest.Ask("time_reads", {{"path", kDeviceRegister}, {"times", kReads}}, kGuestWork);
    EXPECT_TRUE(took) << took.error().Text();
    return took ? took->at("took_us").get<double>() / kReads : 0;
  }
};

TEST_F(Overhead, IsLostInTheNoise) {
  std::vector<NestedGuest*> guests;
  for (const bool interposed : {true, false, true}) {
    NestedGuest* guest = StartGuest({.name = fmt::format("guest{}", guests.size()),
                                     .guarded = false,
                                     .interposed = interposed});
    ASSERT_NE(guest, nullptr);
    guests.push_back(guest);
  }
  std::vector<double> samples[3];
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < guests.size(); ++i) samples[i].push_back(Measure(*guests[i]));
  ASSERT_FALSE(HasFailure());

  const double with = Quantile(samples[0], 0.5), without = Quantile(samples[1], 0.5);
  const double again = Quantile(samples[2], 0.5);
  const double spread = Quantile(samples[0], 0.75) - Quantile(samples[0], 0.25);
  const Json report{{"device_read_us", with},
                    {"device_read_without_us", without},
                    {"device_read_again_us", again},
                    {"device_read_spread_us", spread},
                    {"rounds", kRounds},
                    {"reads_per_round", kReads}};
  std::ofstream(std::string(SEAWARD_SOURCE_DIR) + "/build/lab/overhead.json")
      << report.dump(2) << '\n';
  lab_->narrator().Say(report.dump());
  EXPECT_LE(with - without, std::max(std::abs(with - again), spread)) << report.dump(1);
}

}  // namespace
}  // namespace seaward::lab
