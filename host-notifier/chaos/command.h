// What seaward-chaos was asked to do, and doing it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

namespace seaward::chaos {

struct Command {
  std::string vm;
  std::string scenario;
  std::string config;  // notifier.yaml
  std::optional<std::uint64_t> seed;
  std::string report;   // folder; empty: none
  std::string restart;  // what the shell runs to have the notifier restarted
  bool dry_run = false;
  bool yes = false;
  bool check = false;  // the scenario alone
};

// One of the exit codes of docs/CONTRACT.md.
int Run(const Command& command, std::FILE* out, std::FILE* err);

}  // namespace seaward::chaos
