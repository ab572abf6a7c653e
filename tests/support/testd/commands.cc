#include "tests/support/testd/commands.h"

#include <sched.h>
#include <signal.h>
#include <sys/utsname.h>

#include <utility>

#include "base/file_io.h"
#include "tests/support/testd/frames.h"

namespace seaward::testd {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

milliseconds LimitOf(const Json& request) {
  return milliseconds(request.value("limit_ms", 10000));
}

Result<GuestPhysAddr> AddressField(const Json& request, const char* key) {
  auto value = ParseAddress(request.at(key).get<std::string>());
  if (!value) return Forward(value);
  return GuestPhysAddr{*value};
}

Json AddressList(const std::vector<GuestPhysAddr>& addresses) {
  Json list = Json::array();
  for (const GuestPhysAddr addr : addresses) list.push_back(FormatAddress(addr.value));
  return list;
}

Json StatusJson(const std::optional<ExitStatus>& status) {
  if (!status) return {{"running", true}};
  return {{"running", false}, {"exit", status->code}, {"signal", status->signal}};
}

Command CommandOf(const Json& request) {
  return {request.at("argv").get<std::vector<std::string>>(),
          request.value("env", std::vector<std::string>{}), request.value("output", std::string())};
}

std::string FirstLineOf(const char* path) {
  auto text = ReadTextFile(path, 64U << 10);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

}  // namespace

Commands::Commands(BootReport boot) : boot_(std::move(boot)) {}

std::string Commands::Answer(const std::string& line) {
  const Json request = Json::parse(line, nullptr, false);
  Json reply;
  try {
    if (!request.is_object()) throw std::invalid_argument("not a JSON object");
    if (request.contains("id")) reply["id"] = request["id"];
    const auto handler = Table().find(request.at("command").get<std::string>());
    if (handler == Table().end()) throw std::invalid_argument("unknown command");
    auto result = (this->*handler->second)(request);
    reply["ok"] = result.has_value();
    if (result) {
      reply.update(*result);
    } else {
      reply["error"] = result.error().Text();
      reply["code"] = std::string(ToString(result.error().code));
      reply["errno"] = result.error().sys_errno;
    }
  } catch (const std::exception& wrong) {
    reply["ok"] = false;
    reply["error"] = wrong.what();
  }
  return reply.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<Json> Commands::Status(const Json&) {
  utsname name{};
  ::uname(&name);
  return Json{{"boot_id", FirstLineOf("/proc/sys/kernel/random/boot_id")},
              {"kernel", name.release},
              {"page_size", PageSize()},
              {"cmdline", FirstLineOf("/proc/cmdline")},
              {"uptime", FirstLineOf("/proc/uptime")},
              {"early", boot_.early},
              {"bare", boot_.bare},
              {"agent_pid", boot_.agent},
              {"free_frames_at_init", boot_.free_frames}};
}

Result<Json> Commands::Exec(const Json& request) {
  auto finished = Run(CommandOf(request), LimitOf(request));
  if (!finished) return Forward(finished);
  Json reply = StatusJson(finished->status);
  reply["output"] = finished->output;
  return reply;
}

Result<Json> Commands::Spawn(const Json& request) {
  auto pid = testd::Spawn(CommandOf(request));
  if (!pid) return Forward(pid);
  return Json{{"pid", *pid}};
}

Result<Json> Commands::Wait(const Json& request) {
  auto pid = request.at("pid").get<pid_t>();
  auto status = WaitFor(pid, LimitOf(request));
  if (!status) return Forward(status);
  if (*status) {
    victims_.Forget(pid);
    holders_.Forget(pid);
  }
  return StatusJson(*status);
}

Result<Json> Commands::Kill(const Json& request) {
  auto pid = request.at("pid").get<pid_t>();
  if (pid <= 1) return Fail(ErrorCode::kInvalid, "not a child");
  if (::kill(pid, request.value("signal", SIGKILL)) != 0) return FailErrno(errno, "kill");
  return Json::object();
}

// {"pid", "cpu"}: 0 is the server itself, and so whoever it starts from then on.
Result<Json> Commands::Pin(const Json& request) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(request.at("cpu").get<unsigned>(), &one);
  if (::sched_setaffinity(request.at("pid").get<pid_t>(), sizeof(one), &one) != 0)
    return FailErrno(errno, "sched_setaffinity");
  return Json::object();
}

Result<Json> Commands::AgentStart(const Json&) {
  auto pid = StartAgent();
  if (!pid) return Forward(pid);
  boot_.agent = *pid;
  return Json{{"pid", *pid}};
}

Result<Json> Commands::VictimStart(const Json& request) {
  VictimPlan plan;
  plan.pages = request.value("pages", std::uint64_t{1});
  plan.reports_fault = request.value("report_fault", false);
  auto memory = ParseMemoryKind(request.value("memory", std::string("anonymous")));
  if (!memory) return Forward(memory);
  plan.memory = *memory;
  plan.leave_bytes = request.value("leave_bytes", std::uint64_t{32} << 20);
  if (request.contains("at")) {
    auto at = AddressField(request, "at");
    if (!at) return Forward(at);
    plan.at = *at;
  }
  if (request.contains("from")) {
    auto from = AddressField(request, "from");
    if (!from) return Forward(from);
    plan.from = *from;
  }
  auto started = victims_.Start(plan, LimitOf(request));
  if (!started) return Forward(started);
  return Json{{"pid", started->pid}, {"pages", AddressList(started->pages)}};
}

Result<Json> Commands::VictimTouch(const Json& request) {
  auto pid = request.at("pid").get<pid_t>();
  auto touch = victims_.TouchPage(pid, request.value("index", std::uint64_t{0}),
                                  request.value("access", std::string("read")), LimitOf(request));
  if (!touch) return Forward(touch);
  if (touch->fault)
    return Json{{"touch", "faulted"},
                {"fault",
                 {{"esr", FormatAddress(touch->fault->esr)},
                  {"address", FormatAddress(touch->fault->address)}}}};
  if (touch->touch != Touch::kDied) {
    return Json{{"touch", touch->touch == Touch::kIntact ? "intact" : "changed"}};
  }
  auto status = WaitFor(pid, LimitOf(request));
  if (!status) return Forward(status);
  victims_.Forget(pid);
  Json reply = StatusJson(*status);
  reply["touch"] = "died";
  return reply;
}

Result<Json> Commands::VictimSucceed(const Json& request) {
  const auto pid = request.at("pid").get<pid_t>();
  const auto pages = request.value("pages", std::uint64_t{64});
  auto succession = request.value("waiting", false)
                        ? victims_.DieBesideHeir(pid, pages, LimitOf(request))
                        : victims_.DieAndSucceed(pid, pages, LimitOf(request));
  if (!succession) return Forward(succession);
  Json reply = StatusJson(succession->death);
  reply["given"] = succession->given;
  reply["successor"] = StatusJson(succession->then);
  return reply;
}

Result<Json> Commands::VictimTouchAll(const Json& request) {
  auto bad = victims_.CountBad(request.at("pid").get<pid_t>(), LimitOf(request));
  if (!bad) return Forward(bad);
  return Json{{"bad", *bad}};
}

Result<Json> Commands::VictimLoop(const Json& request) {
  auto looping = victims_.KeepTouching(request.at("pid").get<pid_t>(),
                                       request.value("index", std::uint64_t{0}),
                                       request.value("survive", false));
  if (!looping) return Forward(looping);
  return Json::object();
}

Result<Json> Commands::VictimWhere(const Json& request) {
  auto where = victims_.WhereIs(request.at("pid").get<pid_t>(),
                                request.value("index", std::uint64_t{0}), LimitOf(request));
  if (!where) return Forward(where);
  return Json{{"page", FormatAddress(where->value)}};
}

Result<Json> Commands::Hog(const Json& request) {
  std::vector<GuestPhysAddr> wanted;
  for (const auto& text : request.value("wanted", std::vector<std::string>{})) {
    auto addr = ParseAddress(text);
    if (!addr) return Forward(addr);
    wanted.push_back({*addr});
  }
  auto report =
      HogMemory(request.value("leave_bytes", std::uint64_t{16} << 20), wanted, LimitOf(request));
  if (!report) return Forward(report);
  return Json{{"pages", report->pages}, {"found", AddressList(report->found)}};
}

const std::map<std::string, Commands::Handler>& Commands::Table() {
  static const std::map<std::string, Handler> table{
      {"status", &Commands::Status},
      {"exec", &Commands::Exec},
      {"spawn", &Commands::Spawn},
      {"wait", &Commands::Wait},
      {"kill", &Commands::Kill},
      {"pin", &Commands::Pin},
      {"agent_start", &Commands::AgentStart},
      {"victim_start", &Commands::VictimStart},
      {"victim_touch", &Commands::VictimTouch},
      {"victim_succeed", &Commands::VictimSucceed},
      {"victim_touch_all", &Commands::VictimTouchAll},
      {"victim_loop", &Commands::VictimLoop},
      {"victim_where", &Commands::VictimWhere},
      {"hog", &Commands::Hog},
      {"kpageflags", &Commands::FrameFlags},
      {"free_frames", &Commands::FreeFrames},
      {"flags_of_all", &Commands::FlagsOfAll},
      {"find_frame", &Commands::FindFrame},
      {"process_usage", &Commands::ProcessUsage},
      {"move_clock", &Commands::MoveClock},
      {"process_pages", &Commands::ProcessPages},
      {"page_hold", &Commands::PageHold},
      {"page_check", &Commands::PageCheck},
      {"page_where", &Commands::PageWhere},
      {"page_signal", &Commands::PageSignal},
      {"page_end", &Commands::PageEnd},
      {"find_frames", &Commands::FindFrames},
      {"frames_of_programs", &Commands::FramesOfPrograms},
      {"kernel_log", &Commands::KernelLog},
      {"thread_switches", &Commands::ThreadSwitches},
      {"module_load", &Commands::ModuleLoad},
      {"read", &Commands::Read},
      {"read_hex", &Commands::ReadHex},
      {"time_reads", &Commands::TimeReads},
      {"write", &Commands::Write},
      {"mount", &Commands::MountOn},
      {"port_write", &Commands::PortWrite},
      {"port_hold", &Commands::PortHold},
      {"port_release", &Commands::PortRelease},
      {"forward", &Commands::ForwardLine},
      {"sysrq", &Commands::Sysrq},
      {"reboot", &Commands::RebootNow},
      {"poweroff", &Commands::PowerOffNow},
  };
  return table;
}

}  // namespace seaward::testd
