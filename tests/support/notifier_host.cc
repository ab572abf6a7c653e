#include "tests/support/notifier_host.h"

#include <fmt/format.h>
#include <signal.h>

#include <fstream>

#include "base/file_io.h"
#include "tests/support/test_images.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

constexpr auto kAnswerLimit = std::chrono::seconds(60);  // two busy cores
constexpr auto kQueryLimit = std::chrono::seconds(30);
// libvirtd starts, the notifier connects to it again.
constexpr auto kKnownLimit = std::chrono::seconds(60);

template <class T>
T Field(const nlohmann::json& row, const char* key) {
  const auto at = row.find(key);
  return at == row.end() || at->is_null() ? T{} : at->get<T>();
}

LedgerPage PageOf(const nlohmann::json& row) {
  LedgerPage page;
  page.life = Field<std::string>(row, "life");
  page.outcome = Field<std::string>(row, "outcome");
  page.kind = Field<std::string>(row, "kind");
  page.stage = Field<std::string>(row, "stage");
  page.host_retired = Field<std::string>(row, "host_retired");
  page.events = Field<std::int64_t>(row, "event_count");
  page.verdicts_this_boot = Field<std::int64_t>(row, "verdicts");
  page.boot = Field<std::string>(row, "boot");
  page.exposure_ns = Field<std::int64_t>(row, "exposure_ns");
  page.sys_errno = Field<std::int64_t>(row, "sys_errno");
  return page;
}

}  // namespace

NotifierHost::NotifierHost(HostPlan plan) : plan_(std::move(plan)) {
  std::ofstream(dir_ / "notifier.yaml") << Config();
  std::ofstream(dir_ / "hard_offline_page");  // this machine's own pages stay untouched
}

std::string NotifierHost::Config() const {
  std::string text = fmt::format(
      "state_dir: {0}/state\ncontrol_socket: {0}/control.sock\nattach_socket: {0}/attach.sock\n"
      "log_level: {1}\nhard_offline_path: {0}/hard_offline_page\n"
      "session:\n  resend_initial_ms: 200\n  resend_max_ms: 2000\n",
      dir_.path(), plan_.log_level);
  text += plan_.more_config;
  if (plan_.libvirt_uri != "none") {
    return text + fmt::format("libvirt:\n  uri: {}\n  status_dir: {}\n", plan_.libvirt_uri,
                              plan_.libvirt_status_dir);
  }
  return text + fmt::format(
                    "libvirt:\n  uri: none\nstatic_vms:\n  - name: {}\n    uuid: {}\n"
                    "    channel: {}\n    attach_uid: {}\n",
                    plan_.vm_name, FormatUuid(plan_.vm), plan_.channel, ::geteuid());
}

Status NotifierHost::StartNotifier() {
  auto started = ChildProcess::Start(
      {.argv = {HostBinDir() + "/seaward-notifier", "--config", dir_ / "notifier.yaml"},
       .log = dir_ / "notifier.log"});
  if (!started) return Forward(started);
  notifier_ = std::move(*started);
  if (!WaitUntil([this] { return Seawardctl({"status"}).has_value(); }, kAnswerLimit)) {
    return Fail(ErrorCode::kTimeout, "seaward-notifier does not answer: " + Logs());
  }
  return {};
}

ChildEnd NotifierHost::StopNotifier() {
  return notifier_.Stop(std::chrono::seconds(30));
}

Status NotifierHost::StartPublisher() {
  auto started = ChildProcess::Start(
      {.argv = {HostBinDir() + "/seaward-publish", "--interactive", "--stay", "--socket",
                dir_ / "attach.sock", "--vm", FormatUuid(plan_.vm), "--deadline-ms", "600000"},
       .log = dir_ / "publish.log",
       .keep_stdin = true});
  if (!started) return Forward(started);
  publisher_ = std::move(*started);
  return {};
}

Status NotifierHost::Publish(GuestPhysAddr page) {
  return publisher_.WriteLine(FormatAddress(page.value));
}

Status NotifierHost::Report(GuestPhysAddr page, const std::string& evidence) {
  auto done = Seawardctl({"report", "--vm", plan_.vm_name, "--gpa", FormatAddress(page.value),
                          "--evidence", evidence});
  if (!done) return Forward(done);
  return {};
}

Status NotifierHost::ReportOnceKnown(GuestPhysAddr page, const std::string& evidence) {
  Status reported;
  (void)WaitUntil([&] { return (reported = Report(page, evidence)).has_value(); }, kKnownLimit);
  return reported;
}

Result<nlohmann::json> NotifierHost::Seawardctl(std::vector<std::string> arguments) {
  std::vector<std::string> words{HostBinDir() + "/seawardctl", "--socket", dir_ / "control.sock"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.emplace_back("--json");
  auto ran = RunToEnd(words, kQueryLimit);
  if (!ran) return Forward(ran);
  if (ran->end.exit_code != 0) {
    return Fail(ErrorCode::kIo, fmt::format("seawardctl {}: exit {}: {}", arguments.front(),
                                            ran->end.exit_code, ran->err));
  }
  return nlohmann::json::parse(ran->out, nullptr, false);
}

Result<nlohmann::json> NotifierHost::QueryLedger(const std::string& sql) const {
  auto ran = RunToEnd({"sqlite3", "-json", "-cmd", ".timeout 10000",
                       "file:" + dir_ / "state/ledger.db" + "?mode=ro", sql},
                      kQueryLimit);
  if (!ran) return Forward(ran);
  if (ran->end.exit_code != 0) return Fail(ErrorCode::kIo, "sqlite3: " + ran->err);
  if (ran->out.empty()) return nlohmann::json::array();
  return nlohmann::json::parse(ran->out, nullptr, false);
}

Result<std::vector<LedgerPage>> NotifierHost::PagesAt(GuestPhysAddr page) const {
  auto rows = QueryLedger(fmt::format(
      "SELECT p.*, v.boot AS boot, (SELECT count(*) FROM verdict w WHERE w.page = p.id AND "
      "w.boot = v.boot) AS verdicts FROM page p LEFT JOIN verdict v ON v.page = p.id AND "
      "v.boots = (SELECT max(boots) FROM verdict x WHERE x.page = p.id) "
      "WHERE p.gpa = {} GROUP BY p.id",
      static_cast<std::int64_t>(page.value)));
  if (!rows) return Forward(rows);
  std::vector<LedgerPage> pages;
  for (const auto& row : *rows) pages.push_back(PageOf(row));
  return pages;
}

Result<LedgerPage> NotifierHost::WaitForVerdict(GuestPhysAddr page, const std::string& boot_id,
                                                std::chrono::milliseconds limit) {
  LedgerPage found;
  const bool there = WaitUntil(
      [&] {
        auto pages = PagesAt(page);
        if (!pages || pages->empty()) return false;
        found = pages->back();
        return !found.outcome.empty() && !found.boot.empty() &&
               (boot_id.empty() || found.boot == boot_id);
      },
      limit);
  if (there) return found;
  return Fail(
      ErrorCode::kTimeout,
      fmt::format("no verdict about {} in boot '{}' (life '{}', outcome '{}' of boot '{}'): {}",
                  FormatAddress(page.value), boot_id, found.life, found.outcome, found.boot,
                  Logs()));
}

bool NotifierHost::WaitForLife(GuestPhysAddr page, const std::string& life,
                               std::chrono::milliseconds limit) {
  return WaitUntil(
      [&] {
        auto pages = PagesAt(page);
        return pages && pages->size() == 1 && pages->front().life == life;
      },
      limit);
}

std::string NotifierHost::Logs() const {
  constexpr std::size_t kTail = 6000;
  std::string all;
  for (const char* name : {"notifier.log", "publish.log"}) {
    const std::string text = ReadTextFile(dir_ / name, 64U << 20).value_or("");
    all += fmt::format("\n--- {}\n{}", name,
                       text.substr(text.size() > kTail ? text.size() - kTail : 0));
  }
  return all;
}

}  // namespace seaward::testing
