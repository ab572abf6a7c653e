#include "tests/bench/scale/measured_notifier.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file_io.h"
#include "base/unix_socket.h"

namespace seaward::bench {
namespace {

// Of 1,000 VMs with 100 pages each: some 60 MB of text.
constexpr std::size_t kStatusCap = std::size_t{256} << 20;
constexpr std::size_t kProcCap = 64 * 1024;
constexpr std::chrono::seconds kStopLimit{60};

}  // namespace

Uuid VmUuid(std::size_t number) {
  Uuid uuid;
  for (std::size_t i = 0; i < sizeof(number); ++i)
    uuid.bytes[15 - i] = static_cast<std::byte>(number >> (8 * i));
  uuid.bytes[0] = std::byte{0x5e};
  return uuid;
}

MeasuredNotifier::MeasuredNotifier(const std::string& dir, std::string programs)
    : dir_(dir), programs_(std::move(programs)) {}

// Only host_retire differs from the defaults: the addresses here stand for no memory of this host.
Status MeasuredNotifier::Configure(std::size_t vms, const std::string& channels,
                                   const std::string& more) const {
  std::ofstream out(dir_ + "/notifier.yaml");
  out << more << "state_dir: " << dir_ << "/state\ncontrol_socket: " << dir_
      << "/control.sock\nattach_socket: " << attach_socket()
      << "\nhost_retire: off\nlibvirt:\n  uri: none\nstatic_vms:\n";
  for (std::size_t i = 0; i < vms; ++i)
    out << "  - name: vm-" << i << "\n    uuid: " << FormatUuid(VmUuid(i))
        << "\n    channel: " << channels << "/" << i << "\n    attach_uid: " << ::geteuid() << "\n";
  out.close();
  if (!out) return Fail(ErrorCode::kIo, "writing notifier.yaml");
  return {};
}

Status MeasuredNotifier::Start() {
  auto started = testing::ChildProcess::Start(
      {.argv = {programs_ + "/seaward-notifier", "--config", dir_ + "/notifier.yaml"},
       .log = dir_ + "/log"});
  if (!started) return Forward(started);
  process_ = std::move(*started);
  return {};
}

bool MeasuredNotifier::Answers() const {
  return ConnectUnix(dir_ + "/control.sock").has_value();
}

std::uint64_t MeasuredNotifier::rss_kib() const {
  const auto text = ReadTextFile(fmt::format("/proc/{}/status", process_.pid()), kProcCap);
  const auto at = text ? text->find("VmRSS:") : std::string::npos;
  if (at == std::string::npos) return 0;
  std::uint64_t kib = 0;
  std::istringstream(text->substr(at + 6)) >> kib;
  return kib;
}

std::size_t MeasuredNotifier::descriptors() const {
  const auto listed =
      std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", process_.pid()));
  return static_cast<std::size_t>(std::distance(begin(listed), end(listed)));
}

int MeasuredNotifier::Stop() {
  return process_.Stop(kStopLimit).exit_code;
}

std::chrono::duration<double> MeasuredNotifier::cpu() const {
  const auto text = ReadTextFile(fmt::format("/proc/{}/stat", process_.pid()), kProcCap);
  if (!text) return {};
  // Behind the name, which may hold anything; then state is field 3, utime 14, stime 15.
  std::istringstream fields(text->substr(text->rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return std::chrono::duration<double>((user + system) /
                                       static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

std::int64_t MeasuredNotifier::Count(const char* sql) const {
  sqlite3* raw = nullptr;
  std::int64_t count = -1;
  if (sqlite3_open_v2((dir_ + "/state/ledger.db").c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr) ==
      SQLITE_OK) {
    const auto take = [](void* out, int, char** values, char**) {
      if (values[0] != nullptr) *static_cast<std::int64_t*>(out) = std::stoll(values[0]);
      return 0;
    };
    sqlite3_exec(raw, sql, take, &count, nullptr);
  }
  sqlite3_close(raw);
  return count;
}

Result<MeasuredNotifier::Sessions> MeasuredNotifier::AskStatus(
    Pages pages, const std::function<void(const std::function<bool()>&)>& meanwhile) {
  const std::string answer = dir_ + "/status.json";
  ::unlink(answer.c_str());
  testing::ChildPlan plan{
      .argv = {programs_ + "/seawardctl", "--socket", dir_ + "/control.sock", "status", "--json"},
      .log = answer};
  if (pages == Pages::kNone) plan.argv.emplace_back("--no-pages");
  auto asking = testing::ChildProcess::Start(plan);
  if (!asking) return Forward(asking);
  std::optional<testing::ChildEnd> end;
  meanwhile([&] { return (end = asking->Wait(std::chrono::milliseconds(0))).has_value(); });
  auto text = ReadTextFile(answer, kStatusCap);
  if (!text) return Forward(text);
  if (!end || end->exit_code != 0 || end->signal != 0)
    return Fail(ErrorCode::kIo, "seawardctl status: " + text->substr(0, 200));
  Sessions sessions;
  const auto status = nlohmann::json::parse(*text, nullptr, false);
  if (status.is_discarded()) return Fail(ErrorCode::kInvalid, "status is no JSON");
  for (const auto& vm : status.at("vms")) {
    ++sessions.vms;
    sessions.live += vm.at("session") == "live" ? 1 : 0;
    if (pages == Pages::kNone) continue;
    for (const auto& page : vm.at("pages")) {
      ++sessions.pages;
      sessions.retired += page.at("life") == "retired" ? 1 : 0;
    }
  }
  return sessions;
}

}  // namespace seaward::bench
