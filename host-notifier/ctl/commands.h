// What seawardctl was asked to do, and doing it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace seaward::ctl {

// The exit codes of every program of the tree (docs/CONTRACT.md).
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 3;
inline constexpr int kExitUnknownVm = 4;

struct Command {
  std::string op;  // as typed: "status", "domain check"
  std::string socket;
  std::string vm;  // empty: all
  bool as_json = false;
  bool no_pages = false;  // of a status
  std::uint64_t after_id = 0;
  std::uint32_t limit = 0;
  std::string gpa;
  std::uint64_t length = 0;
  std::string evidence;
  std::string host_frame;  // of a report, instead of vm and gpa; in hex
  std::string reason;
  std::string who;  // what the caller is called; the kernel's word stands beside it
  std::uint32_t wait_s = 0;
  bool end = false;  // of a drain
  std::string file;  // of an export, empty: out; of an import
};

// Asks the notifier and prints; returns the exit code.
int Run(const Command& command, std::FILE* out, std::FILE* err);

}  // namespace seaward::ctl
