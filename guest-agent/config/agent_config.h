// agent.yaml, validated. Keys, units and defaults: docs/CONTRACT.md, which a test checks against
// DescribeAgentConfig().
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/yaml/diagnostic.h"
#include "base/yaml/map_reader.h"

namespace seaward::agent {

inline constexpr std::string_view kDefaultConfigPath = "/etc/seaward/agent.yaml";

struct BudgetConfig {
  std::uint64_t max_mib = 256;
  std::uint64_t max_percent = 10;   // of System RAM; the smaller of both counts
  std::uint64_t node_percent = 50;  // of the memory of each NUMA node, besides
};

struct RateConfig {
  std::uint64_t pages_per_s = 10000;
  std::uint64_t burst = 20000;
};

enum class Mode {
  kRetire,
  kAccount,  // say what would be done
};

enum class HugetlbChoice { kRetire, kDefer, kReport };

struct RetryConfig {
  std::chrono::milliseconds initial{1000};
  std::chrono::milliseconds max{300000};
};

struct EarlyConfig {
  std::chrono::milliseconds wait{500};    // for the host's first word
  std::chrono::milliseconds limit{5000};  // for everything, once the host has spoken
};

// The list of pages that the next kernel shall not be given at all.
struct NextBootConfig {
  std::string list = "/var/lib/seaward/next-boot";
  std::string esp = "auto";  // a mount point, or "auto"
  std::uint64_t max_ranges = 256;
  std::uint64_t kernel_room_mib = 64;  // of memory in one piece, for the next kernel's image
};

struct AgentConfig {
  std::string channel_name = "org.seaward.agent.0";
  std::string journal = "/var/lib/seaward/journal";
  std::string run_dir = "/run/seaward";
  LogLevel log_level = LogLevel::kInfo;
  bool lock_memory = true;
  Mode mode = Mode::kRetire;
  HugetlbChoice hugetlb = HugetlbChoice::kRetire;
  BudgetConfig budget;
  RateConfig rate;
  RetryConfig retry;
  EarlyConfig early;
  NextBootConfig next_boot;
};

// The file at `path`, or everything that is wrong with it.
yaml::Loaded<AgentConfig> LoadAgentConfig(const std::string& path);
yaml::Loaded<AgentConfig> ParseAgentConfig(const std::string& file, std::string_view text);

// Every key that agent.yaml accepts.
std::vector<yaml::KeySpec> DescribeAgentConfig();

}  // namespace seaward::agent
