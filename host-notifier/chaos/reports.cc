#include "host-notifier/chaos/reports.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/file_io.h"
#include "host-notifier/chaos/markup.h"

namespace seaward::chaos {
namespace {

using Json = nlohmann::ordered_json;

Json OrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json OrNull(const std::optional<milliseconds>& at) {
  return at ? Json(at->count()) : Json();
}

}  // namespace

std::string JsonReport(const RunRecord& run) {
  Json json{
      {"version", SEAWARD_VERSION},
      {"scenario", run.scenario},
      {"about", run.about},
      {"vm", run.vm},
      {"vm_uuid", run.vm_uuid},
      {"seed", run.seed},
      {"began_unix_us",
       std::chrono::duration_cast<std::chrono::microseconds>(run.began.time_since_epoch()).count()},
      {"took_ms", run.took.count()},
      {"interrupted", run.interrupted},
      {"passed", run.Passed()},
      {"news_told", run.news_told},
      {"news_refused", run.news_refused},
      {"losses_counted", run.losses_counted},
      {"losses_silent", run.losses_silent},
      {"steps", Json::array()},
      {"pages", Json::array()},
      {"boots", Json::array()},
      {"checks", Json::array()}};
  for (const ActRecord& act : run.acts)
    json["steps"].push_back({{"do", ToString(act.act)},
                             {"step", act.words},
                             {"began_ms", act.began.count()},
                             {"took_ms", act.took.count()},
                             {"end", ToString(act.end)},
                             {"detail", OrNull(act.detail)}});
  for (const PageRecord& page : run.pages)
    json["pages"].push_back({{"gpa", FormatAddress(page.page.value)},
                             {"how", ToString(page.way)},
                             {"evidence", protocol::ToString(page.evidence)},
                             {"bad_ms", page.bad_at.count()},
                             {"told", page.told},
                             {"life", OrNull(page.life)},
                             {"outcome", OrNull(page.outcome)},
                             {"final_ms", OrNull(page.final_at)},
                             {"exposure_us", page.exposure_us ? Json(*page.exposure_us) : Json()}});
  for (const BootRecord& boot : run.boots)
    json["boots"].push_back({{"boot_id", boot.boot_id}, {"at_ms", boot.at.count()}});
  for (const CheckRecord& check : run.checks)
    json["checks"].push_back(
        {{"check", check.name}, {"held", check.held}, {"detail", OrNull(check.detail)}});
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string JunitReport(const RunRecord& run) {
  const auto of = [&run](ActEnd end) { return std::ranges::count(run.acts, end, &ActRecord::end); };
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuite name=\"seaward-chaos {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
      "skipped=\"{}\" time=\"{:.3f}\" timestamp=\"{:%Y-%m-%dT%H:%M:%SZ}\">\n"
      "  <properties>\n    <property name=\"seed\" value=\"{}\"/>\n"
      "    <property name=\"vm\" value=\"{}\"/>\n  </properties>\n",
      Escaped(run.scenario), run.acts.size() + run.checks.size(),
      std::ranges::count(run.checks, false, &CheckRecord::held), of(ActEnd::kFailed),
      of(ActEnd::kSkipped), Seconds(run.took), run.BeganUtc(), run.seed, Escaped(run.vm));
  auto out = std::back_inserter(text);
  std::size_t number = 0;
  for (const ActRecord& act : run.acts) {
    fmt::format_to(out, "  <testcase classname=\"step\" name=\"{} {}\" time=\"{:.3f}\"", ++number,
                   Escaped(act.words), Seconds(act.took));
    const char* const element = act.end == ActEnd::kSkipped ? "skipped" : "error";
    if (act.end == ActEnd::kDone)
      text += "/>\n";
    else
      fmt::format_to(out, "><{} message=\"{}\"/></testcase>\n", element, Escaped(act.detail));
  }
  for (const CheckRecord& check : run.checks) {
    fmt::format_to(out, "  <testcase classname=\"check\" name=\"{}\"", Escaped(check.name));
    if (check.held)
      text += "/>\n";
    else
      fmt::format_to(out, "><failure message=\"{}\"/></testcase>\n", Escaped(check.detail));
  }
  return text + "</testsuite>\n";
}

std::string TextReport(const RunRecord& run) {
  std::string text = fmt::format(
      "{}: {} steps in {:.0f} s, {} bad pages ({} retired), {} boots; told {}, refused {}, lost "
      "and "
      "counted {}, lost silently {}\n",
      run.scenario, run.acts.size(), Seconds(run.took), run.pages.size(), run.RetiredPages(),
      run.boots.size(), run.news_told, run.news_refused, run.losses_counted, run.losses_silent);
  auto out = std::back_inserter(text);
  for (const ActRecord& act : run.acts)
    if (act.end != ActEnd::kDone)
      fmt::format_to(out, "  {} at {:.1f} s: {}: {}\n", ToString(act.end), Seconds(act.began),
                     act.words, act.detail);
  for (const CheckRecord& check : run.checks)
    fmt::format_to(out, "  {:<15} {}{}\n", check.name,
                   check.held ? "holds" : "DOES NOT HOLD: ", check.detail);
  return fmt::format("{}{}\n", text, run.Word());
}

Status SaveReports(const RunRecord& run, const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return Fail(ErrorCode::kIo, folder + ": " + failed.message());
  for (const auto& [name, text] :
       {std::pair("report.json", JsonReport(run)), std::pair("report.xml", JunitReport(run)),
        std::pair("report.html", HtmlReport(run))}) {
    auto saved = ReplaceFile(folder + "/" + name, std::as_bytes(std::span(text)), 0644);
    if (!saved) return saved;
  }
  return {};
}

}  // namespace seaward::chaos
