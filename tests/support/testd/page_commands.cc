// The commands about pages of a kind and the processes that hold them.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/support/testd/commands.h"
#include "tests/support/testd/frames.h"
#include "tests/support/testd/page_kinds.h"

namespace seaward::testd {
namespace {

using Json = nlohmann::json;

std::chrono::milliseconds LimitOf(const Json& request) {
  return std::chrono::milliseconds(request.value("limit_ms", 10000));
}

Json BusJson(const BusError& bus) {
  return {{"code", bus.code}, {"lsb", bus.lsb}};
}

// Whether all of `wanted` and none of `unwanted` are set.
bool Matches(std::uint64_t flags, const std::vector<std::string>& wanted,
             const std::vector<std::string>& unwanted) {
  const auto names = FlagNames(flags);
  const auto set = [&names](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return std::all_of(wanted.begin(), wanted.end(), set) &&
         std::none_of(unwanted.begin(), unwanted.end(), set);
}

}  // namespace

Result<Json> Commands::PageHold(const Json& request) {
  HoldPlan plan;
  plan.kind = request.value("kind", plan.kind);
  plan.state = request.value("state", plan.state);
  plan.mce_kill = request.value("mce_kill", plan.mce_kill);
  plan.handles = request.value("handles", plan.handles);
  auto held = holders_.Start(plan, LimitOf(request));
  if (!held) return Forward(held);
  Json others = Json::array();
  for (const GuestPhysAddr page : held->others) others.push_back(FormatAddress(page.value));
  return Json{{"pid", held->pid}, {"page", FormatAddress(held->page.value)}, {"others", others}};
}

Result<Json> Commands::PageCheck(const Json& request) {
  const auto pid = request.at("pid").get<pid_t>();
  auto check = holders_.CheckPage(pid, LimitOf(request));
  if (!check) return Forward(check);
  Json reply{{"touch", check->word}};
  if (check->bus) reply["bus"] = BusJson(*check->bus);
  return reply;
}

Result<Json> Commands::PageWhere(const Json& request) {
  auto where = holders_.WhereIs(request.at("pid").get<pid_t>(), LimitOf(request));
  if (!where) return Forward(where);
  return Json{{"page", FormatAddress(where->value)}};
}

Result<Json> Commands::PageSignal(const Json& request) {
  auto bus = holders_.AwaitSignal(request.at("pid").get<pid_t>(), LimitOf(request));
  if (!bus) return Forward(bus);
  return Json{{"bus", BusJson(*bus)}};
}

Result<Json> Commands::PageEnd(const Json& request) {
  auto ended = holders_.End(request.at("pid").get<pid_t>(), LimitOf(request));
  if (!ended) return Forward(ended);
  return Json::object();
}

// Frames of System RAM by their flags, from the highest on: low ones belong to the boot.
Result<Json> Commands::FindFrames(const Json& request) {
  const auto wanted = request.value("with", std::vector<std::string>{});
  const auto unwanted = request.value("without", std::vector<std::string>{});
  const auto most = request.value("count", std::size_t{1});
  auto ram = SystemRam();
  if (!ram) return Forward(ram);
  Json found = Json::array();
  for (auto range = ram->rbegin(); range != ram->rend(); ++range) {
    const PageFrame first = FrameAt(range->start());
    auto flags = ReadFlags(first, range->length() / PageSize());
    if (!flags) return Forward(flags);
    for (std::size_t i = flags->size(); i > 0 && found.size() < most; --i)
      if (Matches((*flags)[i - 1], wanted, unwanted))
        found.push_back(FormatAddress(AddressOf({first.number + i - 1}).value));
  }
  return Json{{"frames", found}};
}

// Over all threads of a process: how often each was switched out, which is how often it was woken.
Result<Json> Commands::ThreadSwitches(const Json& request) {
  const std::string tasks = "/proc/" + std::to_string(request.at("pid").get<pid_t>()) + "/task";
  std::uint64_t switches = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(tasks, error), end; !error && it != end;
       it.increment(error)) {
    std::ifstream status(it->path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line.find("voluntary_ctxt_switches:") != std::string::npos)
        switches += std::stoull(line.substr(line.find(':') + 1));
  }
  if (error) return FailErrno(error.value(), tasks);
  return Json{{"switches", switches}};
}

Result<Json> Commands::ModuleLoad(const Json& request) {
  auto loaded = LoadModule(request.at("name").get<std::string>());
  if (!loaded) return Forward(loaded);
  return Json::object();
}

}  // namespace seaward::testd
