#include "base/process_identity.h"

#include <charconv>
#include <string_view>

#include "base/file_io.h"

namespace seaward {

Result<ProcessIdentity> IdentifyProcess(pid_t pid, const std::string& proc_root) {
  auto stat = ReadTextFile(proc_root + "/" + std::to_string(pid) + "/stat", 4096);
  if (!stat) return Forward(stat);
  // The name in parentheses may hold anything, even ") 1 (": fields count from the last one.
  std::string_view rest = *stat;
  const std::size_t name_end = rest.rfind(") ");
  if (name_end == std::string_view::npos) return Fail(ErrorCode::kCorrupt, "process stat line");
  rest.remove_prefix(name_end + 2);  // at field 3
  for (int field = 3; field < 22; ++field) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return Fail(ErrorCode::kCorrupt, "process stat line");
    rest.remove_prefix(space + 1);
  }
  ProcessIdentity identity{.pid = pid};
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), identity.start_ticks);
  if (parsed.ec != std::errc{}) return Fail(ErrorCode::kCorrupt, "process start time");
  return identity;
}

}  // namespace seaward
