#include "tests/bench/seaward_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <set>

#include "base/unix_socket.h"
#include "tests/support/wait_until.h"

namespace seaward::bench {
namespace {

using nlohmann::json;

constexpr auto kLimit = std::chrono::seconds(60);  // a guest that was descheduled on a busy machine
constexpr std::uint64_t kReadFromUserSpace = 0x92000010;  // ESR: data abort, lower EL, FSC 0x10

}  // namespace

Result<SeawardProbe> SeawardProbe::Attach(const std::string& attach_socket,
                                          const std::string& control_socket, const Uuid& vm,
                                          const Clock& clock) {
  SeawardProbe probe(clock);
  seaward_config config{};
  config.struct_size = sizeof config;
  config.attach_socket = attach_socket.c_str();
  config.vm_uuid = reinterpret_cast<const std::uint8_t*>(vm.bytes.data());
  seaward_vmm* handle = nullptr;
  if (const int error = seaward_attach(&config, &handle); error != 0)
    return FailErrno(-error, "seaward_attach");
  probe.vm_.reset(handle);
  const bool attached = testing::WaitUntil(
      [handle] {
        seaward_status status{};
        status.struct_size = sizeof status;
        return seaward_get_status(handle, &status) == 0 && status.attached == 1;
      },
      kLimit);
  if (!attached) return Fail(ErrorCode::kTimeout, "the notifier did not take this VMM");
  if (auto watching = probe.Watch(control_socket); !watching) return Forward(watching);
  return probe;
}

Status SeawardProbe::Watch(const std::string& control_socket) {
  auto socket = ConnectUnix(control_socket);
  if (!socket) return Forward(socket);
  control_ = std::move(*socket);
  constexpr std::string_view kRequest = "{\"op\":\"watch\"}\n";
  if (::send(control_.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kRequest.size())) {
    return FailErrno(errno, "ask to watch");
  }
  auto line = NextLine(clock_->Now() + kLimit);
  if (!line) return Forward(line);
  if (line->find("watching") == std::string::npos) return Fail(ErrorCode::kIo, *line);
  return {};
}

Result<std::string> SeawardProbe::NextLine(MonoTime deadline) {
  for (;;) {
    if (const auto end = received_.find('\n'); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock_->Now());
    pollfd readable{control_.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0)
      return Fail(ErrorCode::kTimeout, "no line from the control socket");
    std::array<char, 4096> chunk;
    const ssize_t n = ::recv(control_.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) return Fail(ErrorCode::kClosed, "the notifier closed the control socket");
    received_.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

Status SeawardProbe::Publish(GuestPhysAddr page) {
  seaward_exit exit{};
  exit.struct_size = sizeof exit;
  exit.flags = SEAWARD_EXIT_GPA_VALID;
  exit.esr = kReadFromUserSpace;
  exit.gpa = page.value;
  if (const int sent = seaward_publish(vm_.get(), &exit); sent != SEAWARD_PUBLISHED)
    return Fail(ErrorCode::kIo, "seaward_publish: " + std::to_string(sent));
  return {};
}

Result<json> SeawardProbe::NextVerdict(MonoTime deadline) {
  for (;;) {
    auto line = NextLine(deadline);
    if (!line) return Forward(line);
    const json parsed = json::parse(*line, nullptr, false);
    if (parsed.is_object() && parsed.contains("page") && !parsed["page"]["outcome"].is_null())
      return parsed["page"];
  }
}

Result<std::chrono::nanoseconds> SeawardProbe::Retire(GuestPhysAddr page) {
  if (auto published = Publish(page); !published) return Forward(published);
  const std::string gpa = FormatAddress(page.value);
  const MonoTime deadline = clock_->Now() + kLimit;
  for (;;) {
    auto row = NextVerdict(deadline);
    if (!row) return Forward(row);
    if (row->value("gpa", "") != gpa) continue;
    if ((*row)["outcome"] != "retired") return Fail(ErrorCode::kBusy, gpa + ": " + row->dump());
    return std::chrono::microseconds((*row)["exposure_us"].get<std::int64_t>());
  }
}

Result<std::chrono::nanoseconds> SeawardProbe::RetireAll(const std::vector<GuestPhysAddr>& pages) {
  std::set<std::string> waiting;
  for (const GuestPhysAddr page : pages) waiting.insert(FormatAddress(page.value));
  const MonoTime begin = clock_->Now();
  for (const GuestPhysAddr page : pages)
    if (auto published = Publish(page); !published) return Forward(published);
  while (!waiting.empty()) {
    auto row = NextVerdict(begin + kLimit);
    if (!row) return Forward(row);
    waiting.erase(row->value("gpa", ""));
  }
  return clock_->Now() - begin;
}

}  // namespace seaward::bench
