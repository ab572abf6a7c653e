#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "host-notifier/metrics/metrics_fixture.h"

namespace seaward::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""s;

constexpr char kG1[] = R"({vm="g1",vm_uuid="c7a5fdbd-edaf-9455-926a-d65c16db1809")";

// "name type" of every line that `pattern` finds in `text`, with the groups joined.
std::set<std::string> Found(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (std::smatch m; std::regex_search(line, m, regex)) found.insert(m.str(1) + " " + m.str(2));
  return found;
}

TEST(DurationHistogram, CountsIntoEveryBucketThatIsWideEnough) {
  DurationHistogram histogram({10us, 100us, 1s});
  histogram.Observe(10us);
  histogram.Observe(11us);
  histogram.Observe(2s);
  EXPECT_EQ(histogram.buckets()[0].cumulative, 1u) << "the bound belongs to it";
  EXPECT_EQ(histogram.buckets()[1].cumulative, 2u);
  EXPECT_EQ(histogram.buckets()[2].cumulative, 2u);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.sum(), 2s + 21us);
}

TEST(MetricsText, NamesAndTypesAreThoseOfTheDocument) {
  std::ifstream in(SEAWARD_SOURCE_DIR "/docs/METRICS.md");
  std::stringstream document;
  document << in.rdbuf();
  const auto said = Found(document.str(), R"(^\| `(seaward_\w+)` \| (\w+) \|)");
  EXPECT_EQ(said, Found(MetricsText(SampleMetrics(), {}), R"(^# TYPE (\w+) (\w+)$)"));
  EXPECT_EQ(said, Found(MetricsText({}, {}), R"(^# TYPE (\w+) (\w+)$)"))
      << "every name is there before anything happened";
  EXPECT_GT(said.size(), 15u);
}

TEST(MetricsText, ShowsWhatWasCounted) {
  const std::string text = MetricsText(SampleMetrics(), {});
  EXPECT_THAT(text, HasSubstr("seaward_events_total" + std::string(kG1) + ",kind=\"located\"} 2"));
  EXPECT_THAT(text, HasSubstr("seaward_lost_exits_total" + std::string(kG1) + "} 1"));
  EXPECT_THAT(text, HasSubstr("seaward_native_fallbacks_total" + std::string(kG1) + "} 4"));
  EXPECT_THAT(text, HasSubstr("seaward_holds_total" + std::string(kG1) + "} 9"));
  EXPECT_THAT(text,
              HasSubstr("seaward_hold_ends_total" + std::string(kG1) + ",end=\"answered\"} 6"));
  EXPECT_THAT(text,
              HasSubstr("seaward_hold_ends_total" + std::string(kG1) + ",end=\"timed_out\"} 2"));
  EXPECT_THAT(text, HasSubstr("seaward_vm_unsafe_to_migrate" + std::string(kG1) + "} 1"));
  EXPECT_THAT(text, HasSubstr("seaward_vm_unattached" + std::string(kG1) + "} 0"));
  EXPECT_THAT(text, HasSubstr("seaward_sessions{phase=\"live\"} 1"));
  EXPECT_THAT(text, HasSubstr("seaward_attaches_total{result=\"refused\"} 2"));
  EXPECT_THAT(text, HasSubstr("seaward_libvirt_connected 0"));
}

TEST(MetricsText, UnretiredPagesAreThoseThatTheGuestMayStillUse) {
  const std::string text = MetricsText(SampleMetrics(), {});
  EXPECT_THAT(text, HasSubstr("seaward_pages" + std::string(kG1) + ",life=\"retired\"} 5"));
  EXPECT_THAT(text, HasSubstr("seaward_unretired_pages" + std::string(kG1) + "} 3"));
  EXPECT_THAT(text, HasSubstr("seaward_oldest_unretired_page_seconds" + std::string(kG1) + "} 60"));
  EXPECT_THAT(text, Not(HasSubstr("life=\"failed\""))) << "of a VM that is not here now";
}

TEST(MetricsText, SaysWhoProtectsThePagesOfAGuest) {
  const std::string text = MetricsText(SampleMetrics(), {});
  const std::string by = "seaward_page_protection" + std::string(kG1) + ",by=";
  EXPECT_THAT(text, HasSubstr(by + "\"before_kernel\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(by + "\"early\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(by + "\"run\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(by + "\"never\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(by + "\"pending\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("seaward_boot_list" + std::string(kG1) + ",result=\"applied\"} 1"));
  EXPECT_THAT(text, HasSubstr("seaward_page_losses_total" + std::string(kG1) + "} 1"));
}

TEST(MetricsText, HistogramsAreInSecondsAndEndWithEverything) {
  Measurements measurements;
  measurements.exposure.Observe(700us);
  const std::string text = MetricsText({}, measurements);
  EXPECT_THAT(text, HasSubstr("seaward_exposure_seconds_bucket{le=\"0.0005\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("seaward_exposure_seconds_bucket{le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("seaward_exposure_seconds_bucket{le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("seaward_exposure_seconds_sum 0.0007\n"));
}

}  // namespace
}  // namespace seaward::metrics
