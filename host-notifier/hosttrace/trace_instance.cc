#include "host-notifier/hosttrace/trace_instance.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file_io.h"

namespace seaward {
namespace {

// Under either name, by the kernel's age; there is one.
constexpr const char* kEvents[] = {"/events/ras/memory_failure_event",
                                   "/events/memory_failure/memory_failure_event"};

Status Set(const std::string& path, std::string_view value) {
  auto file = OpenFile(path, O_WRONLY | O_TRUNC);
  if (!file) return Forward(file);
  const ssize_t n = ::write(file->get(), value.data(), value.size());
  if (n != static_cast<ssize_t>(value.size())) return FailErrno(n < 0 ? errno : EIO, path);
  return {};
}

}  // namespace

Result<UniqueFd> OpenTraceInstance(const std::string& tracefs, const std::string& name) {
  const std::string folder = tracefs + "/instances/" + name;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return FailErrno(errno, folder);
  std::string event;
  for (const char* one : kEvents)
    if (::access((folder + one).c_str(), F_OK) == 0) event = folder + one;
  if (event.empty()) {
    ::rmdir(folder.c_str());
    return Fail(ErrorCode::kNotFound, "this kernel has no event memory_failure_event");
  }
  // A few hundred events per CPU: what can come while nobody reads. A kernel that refuses keeps its
  // own size, which is larger.
  static_cast<void>(Set(folder + "/buffer_size_kb", "16"));
  if (auto on = Set(folder + "/tracing_on", "1"); !on) return Forward(on);
  if (auto enabled = Set(event + "/enable", "1"); !enabled) return Forward(enabled);
  return OpenFile(folder + "/trace_pipe", O_RDONLY | O_NONBLOCK);
}

}  // namespace seaward
