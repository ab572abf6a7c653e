// Replies of the notifier -> text for people. Pure; every line ends with a newline. Missing keys
// show as "-": a notifier of another version may say less.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace seaward::ctl {

std::string StatusText(const nlohmann::json& status);
std::string EventsText(const nlohmann::json& events);
std::string ReportText(const nlohmann::json& report);
std::string MigrationText(const nlohmann::json& report);
std::string ClearText(const nlohmann::json& cleared);
std::string ReplayText(const nlohmann::json& replay);
std::string DrainText(const nlohmann::json& drain);
std::string AuditText(const nlohmann::json& audit);
// One line per error, as FILE:LINE: error: TEXT, and the sum.
std::string ImportText(const std::string& file, const nlohmann::json& result);
// Rules, what they count now, and what was decided before.
std::string ExplainText(const nlohmann::json& report);
// What a domain lacks.
std::string DomainCheckText(const nlohmann::json& report);
// The XML to paste, each part under a comment that says where.
std::string DomainXmlText(const nlohmann::json& report);
// One line of `watch`; empty for lines that say nothing to people.
std::string WatchText(const nlohmann::json& line);

}  // namespace seaward::ctl
