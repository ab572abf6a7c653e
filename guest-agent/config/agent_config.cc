#include "guest-agent/config/agent_config.h"

#include <utility>

namespace seaward::agent {
namespace {

using std::chrono::milliseconds;
using yaml::MapReader;

constexpr std::pair<std::string_view, Mode> kModeWords[] = {{"retire", Mode::kRetire},
                                                            {"account", Mode::kAccount}};
constexpr std::pair<std::string_view, HugetlbChoice> kHugetlbWords[] = {
    {"retire", HugetlbChoice::kRetire},
    {"defer", HugetlbChoice::kDefer},
    {"report", HugetlbChoice::kReport}};

BudgetConfig ReadBudget(MapReader map) {
  BudgetConfig budget;
  budget.max_mib = map.Integer("max_mib", 256, {0, 1 << 20}).value;
  budget.max_percent = map.Integer("max_percent", 10, {0, 100}).value;
  budget.node_percent = map.Integer("node_percent", 50, {0, 100}).value;
  return budget;
}

RateConfig ReadRate(MapReader map) {
  RateConfig rate;
  rate.pages_per_s = map.Integer("pages_per_s", 10000, {1, 1000000}).value;
  rate.burst = map.Integer("burst", 20000, {1, 1000000}).value;
  return rate;
}

RetryConfig ReadRetry(MapReader map) {
  RetryConfig retry;
  // A deferral is repeated at most once a second (protocol/spec.md).
  retry.initial = map.Duration<milliseconds>("initial_ms", milliseconds(1000),
                                             {milliseconds(1000), milliseconds(60000)})
                      .value;
  const auto longest = map.Duration<milliseconds>("max_ms", milliseconds(300000),
                                                  {milliseconds(1000), milliseconds(3600000)});
  retry.max = longest.value;
  if (retry.max < retry.initial)
    map.Refuse(longest.at, "'retry.max_ms' is less than 'retry.initial_ms'");
  return retry;
}

EarlyConfig ReadEarly(MapReader map) {
  EarlyConfig early;
  early.wait = map.Duration<milliseconds>("wait_ms", milliseconds(500),
                                          {milliseconds(0), milliseconds(60000)})
                   .value;
  const auto limit = map.Duration<milliseconds>("limit_ms", milliseconds(5000),
                                                {milliseconds(0), milliseconds(600000)});
  early.limit = limit.value;
  if (early.limit < early.wait)
    map.Refuse(limit.at, "'early.limit_ms' is less than 'early.wait_ms'");
  return early;
}

NextBootConfig ReadNextBoot(MapReader map) {
  NextBootConfig next_boot;
  next_boot.list = map.Path("list", "/var/lib/seaward/next-boot").value;
  const auto esp = map.Text("esp", "auto");
  next_boot.esp = esp.value;
  if (next_boot.esp != "auto" && !next_boot.esp.starts_with('/'))
    map.Refuse(esp.at, "'next_boot.esp' is 'auto' or an absolute path");
  next_boot.max_ranges = map.Integer("max_ranges", 256, {0, 256}).value;
  next_boot.kernel_room_mib = map.Integer("kernel_room_mib", 64, {16, 1 << 20}).value;
  return next_boot;
}

AgentConfig Read(MapReader& top) {
  AgentConfig config;
  config.channel_name = top.Text("channel_name", "org.seaward.agent.0").value;
  config.journal = top.Path("journal", "/var/lib/seaward/journal").value;
  config.run_dir = top.Path("run_dir", "/run/seaward").value;
  config.log_level = top.Choice<LogLevel>("log_level", kLogLevelWords, LogLevel::kInfo).value;
  config.lock_memory = top.Flag("lock_memory", true).value;
  config.mode = top.Choice<Mode>("mode", kModeWords, Mode::kRetire).value;
  config.hugetlb =
      top.Choice<HugetlbChoice>("hugetlb", kHugetlbWords, HugetlbChoice::kRetire).value;
  config.budget = ReadBudget(top.Map("budget"));
  config.rate = ReadRate(top.Map("rate"));
  config.retry = ReadRetry(top.Map("retry"));
  config.early = ReadEarly(top.Map("early"));
  config.next_boot = ReadNextBoot(top.Map("next_boot"));
  return config;
}

}  // namespace

yaml::Loaded<AgentConfig> LoadAgentConfig(const std::string& path) {
  return yaml::LoadFile<AgentConfig>(path, Read);
}

yaml::Loaded<AgentConfig> ParseAgentConfig(const std::string& file, std::string_view text) {
  return yaml::Load<AgentConfig>(file, text, Read);
}

std::vector<yaml::KeySpec> DescribeAgentConfig() {
  return yaml::DescribeKeys([](MapReader& top) { Read(top); });
}

}  // namespace seaward::agent
