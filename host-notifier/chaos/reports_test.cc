// The same run as JSON, JUnit XML, HTML and text.
#include "host-notifier/chaos/reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/property_tree/xml_parser.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file_io.h"
#include "host-notifier/chaos/sample_run_fixture.h"
#include "tests/support/temp_dir.h"

namespace seaward::chaos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Reports, PassOnlyWhenEverythingHeldAndWasDone) {
  RunRecord run = SampleRun();
  EXPECT_FALSE(run.Passed());
  std::erase_if(run.acts, [](const ActRecord& act) { return act.end == ActEnd::kFailed; });
  EXPECT_FALSE(run.Passed());
  std::erase_if(run.checks, [](const CheckRecord& check) { return !check.held; });
  EXPECT_TRUE(run.Passed());
  run.interrupted = true;
  EXPECT_FALSE(run.Passed());
}

TEST(Reports, JsonSaysWhatIsNotKnownAsNull) {
  const auto json = nlohmann::json::parse(JsonReport(SampleRun()));
  EXPECT_EQ(json["steps"][0]["detail"], nullptr);
  EXPECT_EQ(json["pages"][1]["final_ms"], nullptr);
  EXPECT_EQ(json["pages"][0]["gpa"], "0x48048000");
  EXPECT_EQ(json["passed"], false);
}

TEST(Reports, JunitIsXmlWhoseFiguresAreThoseOfItsCases) {
  std::istringstream in(JunitReport(SampleRun()));
  boost::property_tree::ptree tree;
  boost::property_tree::read_xml(in, tree);
  const auto& suite = tree.get_child("testsuite");
  std::map<std::string, int> found;
  for (const auto& [tag, inside] : suite) {
    if (tag != "testcase") continue;
    ++found["tests"];
    found["failures"] += static_cast<int>(inside.count("failure"));
    found["errors"] += static_cast<int>(inside.count("error"));
    found["skipped"] += static_cast<int>(inside.count("skipped"));
  }
  for (const char* figure : {"tests", "failures", "errors", "skipped"})
    EXPECT_EQ(suite.get<int>("<xmlattr>." + std::string(figure)), found[figure]) << figure;
  EXPECT_EQ(found["failures"], 1);
  EXPECT_EQ(found["errors"], 1);
  EXPECT_EQ(found["skipped"], 1);
  EXPECT_EQ(suite.get<std::string>("<xmlattr>.timestamp"), "2023-11-14T22:13:20Z");
}

TEST(Reports, TheHtmlPageNeedsNothingOutsideOfItselfAndRunsNothing) {
  const std::string html = HtmlReport(SampleRun());
  for (const char* outside :
       {"http://", "https://", "//", "<script", "<link", "<img", "url(", "@import"})
    EXPECT_THAT(html, Not(HasSubstr(outside))) << outside;
  EXPECT_THAT(html, HasSubstr("<svg viewBox="));
  EXPECT_THAT(html, HasSubstr("0x48048000 retired retired</title>"));
  EXPECT_THAT(html, HasSubstr("class=\"boot\""));
}

TEST(Reports, NamesAreTextNeverMarkup) {
  RunRecord run = SampleRun();
  run.vm = run.about = run.scenario = run.acts[0].detail = run.checks[0].detail =
      "<b onload='x'>\"&\x01";
  run.acts[0].end = ActEnd::kFailed;
  for (const std::string& text : {HtmlReport(run), JunitReport(run)}) {
    EXPECT_THAT(text, Not(HasSubstr("<b onload")));
    EXPECT_THAT(text, HasSubstr("&lt;b onload=&#39;x&#39;&gt;&quot;&amp; "));
  }
}

TEST(Reports, ARunOfNothingIsStillAPicture) {
  const RunRecord nothing;
  EXPECT_THAT(HtmlReport(nothing), HasSubstr("</html>"));
  EXPECT_TRUE(nlohmann::json::parse(JsonReport(nothing))["steps"].empty());
}

TEST(Reports, TheTextNamesWhatWentWrong) {
  const std::string text = TextReport(SampleRun());
  EXPECT_THAT(text, HasSubstr("verdict         DOES NOT HOLD: 0x48049000: deferred"));
  EXPECT_THAT(text, HasSubstr("failed at 6.0 s: settle: not at rest"));
  EXPECT_THAT(text, ::testing::EndsWith("failed\n"));
}

TEST(Reports, AreSavedInAFolderThatIsMade) {
  const testing::TempDir dir;
  const std::string folder = dir / "a/b";
  ASSERT_TRUE(SaveReports(SampleRun(), folder));
  EXPECT_EQ(ReadTextFile(folder + "/report.json", 1 << 20).value(), JsonReport(SampleRun()));
  EXPECT_EQ(ReadTextFile(folder + "/report.html", 1 << 20).value(), HtmlReport(SampleRun()));
  EXPECT_FALSE(SaveReports(SampleRun(), folder + "/report.json/c"));
}

}  // namespace
}  // namespace seaward::chaos
