// `promtool check metrics` over everything that the notifier can say. promtool is too large for
// ./dev's packages: tests/support/fetch-promtool takes it out of Debian's prometheus package.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "host-notifier/metrics/metrics_fixture.h"

namespace seaward::metrics {
namespace {

std::string Promtool() {
  if (const char* named = std::getenv("SEAWARD_PROMTOOL")) return named;
  const char* cache = std::getenv("SEAWARD_CACHE");
  const char* home = std::getenv("HOME");
  const std::string folder = cache != nullptr  ? cache
                             : home != nullptr ? std::string(home) + "/.cache/seaward"
                                               : "";
  return folder + "/promtool";
}

int Check(const std::string& promtool, const std::string& text) {
  std::FILE* pipe = ::popen(("'" + promtool + "' check metrics 1>&2").c_str(), "w");
  if (pipe == nullptr) return -1;
  std::fwrite(text.data(), 1, text.size(), pipe);
  return ::pclose(pipe);
}

TEST(MetricsLint, PromtoolFindsNothing) {
  const std::string promtool = Promtool();
  if (::access(promtool.c_str(), X_OK) != 0) {
    std::printf("SEAWARD-SKIP: no promtool at %s (tests/support/fetch-promtool)\n",
                promtool.c_str());
    GTEST_SKIP();
  }
  Measurements measurements;
  measurements.commit.Observe(std::chrono::milliseconds(3));
  EXPECT_EQ(Check(promtool, MetricsText(SampleMetrics(), measurements)), 0);
  EXPECT_NE(Check(promtool, "# TYPE seaward_x counter\nseaward_x 1\n"), 0) << "it looks at all";
}

}  // namespace
}  // namespace seaward::metrics
