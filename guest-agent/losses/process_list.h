// What /proc says of the processes: names and the pages that they lost. Needs CAP_SYS_PTRACE for
// processes of other users.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace seaward::agent {

struct AddressSpan {
  std::uint64_t first = 0;  // page-aligned
  std::uint64_t last = 0;   // inclusive
};

// What one entry of /proc/PID/pagemap says of a page that was taken from the process: its frame, or
// 0. (Linux Documentation/admin-guide/mm/pagemap.rst: bit 62, and 5..54 the offset; of a poisoned
// page the offset is its frame, and its type lies above those of the swap files.)
PageFrame LostFrameIn(std::uint64_t pagemap_entry);

// "7f0000000000-7f0000021000 rw-p ..." of /proc/PID/maps; false: no such line.
bool ParseSpan(std::string_view line, AddressSpan& span);
// "0::/system.slice/x.service" of /proc/PID/cgroup: the path in the unified hierarchy, or empty.
std::string UnifiedPathIn(std::string_view cgroup);
// Other bytes become '?'; of what is too long the end stays.
std::string Printable(std::string_view text, std::size_t most);

class ProcessList {
 public:
  explicit ProcessList(std::string proc) : proc_(std::move(proc)) {}
  std::vector<pid_t> Pids() const;
  // kDenied: not ours to look at.
  Result<std::vector<AddressSpan>> Spans(pid_t pid) const;
  std::string Comm(pid_t pid) const;
  std::string Cgroup(pid_t pid) const;
  std::string PagemapPath(pid_t pid) const {
    return proc_ + "/" + std::to_string(pid) + "/pagemap";
  }

 private:
  std::string proc_;
};

}  // namespace seaward::agent
