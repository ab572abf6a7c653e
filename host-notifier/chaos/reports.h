// A run as others read it. Pure.
#pragma once

#include <string>

#include "host-notifier/chaos/record.h"

namespace seaward::chaos {

// docs/schemas/chaos-run.schema.json.
std::string JsonReport(const RunRecord& run);
// JUnit XML: a step that failed is an error, a check that did not hold a failure.
std::string JunitReport(const RunRecord& run);
// One page for a browser: no script, and nothing outside of it.
std::string HtmlReport(const RunRecord& run);
// A few lines for a terminal.
std::string TextReport(const RunRecord& run);

// All but the last into `folder`, which is made: report.json, report.xml, report.html.
Status SaveReports(const RunRecord& run, const std::string& folder);

}  // namespace seaward::chaos
