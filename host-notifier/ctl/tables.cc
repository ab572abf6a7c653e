#include "host-notifier/ctl/tables.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace seaward::ctl {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

// Names come from outside; a terminal must not obey them.
std::string Printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, '?');
  return text;
}

const json& At(const json& object, const char* key) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

// The value as a person writes it.
std::string Cell(const json& object, const char* key) {
  const json& value = At(object, key);
  if (value.is_string()) return Printable(value.get<std::string>());
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "-";
  return value.dump();
}

std::string Time(const json& object, const char* key) {
  const json& value = At(object, key);
  if (!value.is_number_integer()) return "-";
  const auto us = value.get<std::int64_t>();
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:06d}", fmt::localtime(us / 1000000), us % 1000000);
}

std::string Exposure(const json& page) {
  const json& value = At(page, "exposure_us");
  return value.is_null() ? "-" : value.dump() + " us";
}

std::string Heal(const json& page) {
  const std::string state = Cell(page, "heal");
  return At(page, "heal_reason").is_null() ? state : state + ": " + Cell(page, "heal_reason");
}

// "notify ops", "reset".
std::string ActionCell(const json& object) {
  const std::string action = Cell(object, "action");
  return At(object, "sink").is_null() ? action : action + " " + Cell(object, "sink");
}

std::string Table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

Row VmRow(const json& vm) {
  const json& events = At(vm, "events");
  const json& pages = At(vm, "pages");
  const auto retired = std::ranges::count_if(pages, [](const json& page) {
    const std::string life = Cell(page, "life");
    return life == "retired" || life == "excluded";
  });
  return {Cell(vm, "name"),
          Cell(vm, "running"),
          Cell(vm, "attached"),
          Cell(vm, "session"),
          Cell(events, "located"),
          Cell(events, "suspected"),
          Cell(events, "gva_only"),
          Cell(events, "unlocated"),
          Cell(events, "lost"),
          pages.is_array() ? fmt::format("{}", pages.size()) : "-",
          pages.is_array() ? fmt::format("{}", retired) : "-"};
}

std::string Share(const json& coverage, const char* key) {
  const json& part = At(coverage, key);
  const json& all = At(coverage, "pages");
  if (!part.is_number_unsigned() || !all.is_number_unsigned()) return "-";
  const auto pages = all.get<std::uint64_t>();
  if (pages == 0) return part.dump();
  return fmt::format(
      "{} ({:.1f} %)", part.dump(),
      100.0 * static_cast<double>(part.get<std::uint64_t>()) / static_cast<double>(pages));
}

// "active: 9 of 9 pages", "skipped: its boots failed: 0 of 9 pages".
std::string BootList(const json& list) {
  if (!list.is_object()) return "-";
  const std::string result = Cell(list, "result");
  if (result == "no_list") return "none";
  std::string state = "not used: " + result;
  if (result == "applied") state = "active";
  if (result == "failed_twice") state = "skipped: its boots failed";
  return fmt::format("{}: {} of {} pages", state, Cell(list, "protected_pages"),
                     Cell(list, "listed_pages"));
}

// Who protects the bad pages, of VMs that have some, or a list of them.
std::string CoverageText(const json& vms) {
  std::vector<Row> shares{
      {"VM", "PAGES", "BEFORE-KERNEL", "EARLY", "RUN", "NEVER", "PENDING", "NEXT-BOOT LIST"}};
  std::vector<Row> never{{"NEVER PROTECTED", "PAGES", "OUTCOME", "KIND"}};
  for (const json& vm : vms) {
    const json& coverage = At(vm, "coverage");
    const json& list = At(vm, "boot_list");
    const bool has_pages = coverage.is_object() && Cell(coverage, "pages") != "0";
    if (!has_pages && !list.is_object()) continue;
    shares.push_back({Cell(vm, "name"), Cell(coverage, "pages"), Share(coverage, "before_kernel"),
                      Share(coverage, "early"), Share(coverage, "run"), Share(coverage, "never"),
                      Share(coverage, "pending"), BootList(list)});
    for (const json& why : At(coverage, "never_why"))
      never.push_back(
          {Cell(vm, "name"), Cell(why, "pages"), Cell(why, "outcome"), Cell(why, "kind")});
  }
  std::string text;
  if (shares.size() > 1) text += '\n' + Table(shares);
  if (never.size() > 1) text += '\n' + Table(never);
  return text;
}

std::string LossesText(const json& vms) {
  std::vector<Row> rows{{"LOST", "VM", "GPA", "BYTES", "PID", "PROCESS", "CGROUP"}};
  for (const json& vm : vms)
    for (const json& loss : At(vm, "losses"))
      rows.push_back({Time(loss, "heard_unix_us"), Cell(vm, "name"), Cell(loss, "gpa"),
                      Cell(loss, "lost_bytes"), Cell(loss, "pid"), Cell(loss, "comm"),
                      Cell(loss, "cgroup")});
  return rows.size() > 1 ? '\n' + Table(rows) : "";
}

Row PageCells(const json& page) {
  return {Cell(page, "vm"),         Cell(page, "gpa"),          Cell(page, "length_bytes"),
          Cell(page, "located_by"), Cell(page, "evidence"),     Cell(page, "life"),
          Cell(page, "outcome"),    Cell(page, "kind"),         Cell(page, "stage"),
          Exposure(page),           Cell(page, "host_retired"), Heal(page),
          Cell(page, "event_count")};
}

std::string Header(const json& status) {
  const json& libvirt = At(status, "libvirt");
  const json& ledger = At(status, "ledger");
  std::string libvirt_word = "off";
  if (Cell(libvirt, "enabled") == "yes")
    libvirt_word = Cell(libvirt, "connected") == "yes"
                       ? "connected"
                       : fmt::format("NOT CONNECTED ({})", Cell(libvirt, "error"));
  const std::string ledger_word = Cell(ledger, "writable") == "yes"
                                      ? "writable"
                                      : fmt::format("NOT WRITABLE ({})", Cell(ledger, "error"));
  const json& attach = At(status, "attach");
  return fmt::format(
      "seaward-notifier {}; libvirt {}; ledger {}; host_retire {}; heal {}; "
      "attached {}, refused {}; ignored domains {}\n",
      Cell(status, "version"), libvirt_word, ledger_word, Cell(status, "host_retire"),
      Cell(status, "heal"), Cell(attach, "accepted"), Cell(attach, "refused"),
      Cell(libvirt, "ignored_domains"));
}

// What stands above everything else.
std::string Warnings(const json& status) {
  std::string text;
  const json& rebuilt = At(At(status, "ledger"), "rebuilt");
  if (rebuilt.is_object())
    text += fmt::format(
        "LEDGER BEGUN ANEW {}: the one before is {} ({}); guests brought back {} pages, {} VMs are "
        "still to answer\n",
        Time(rebuilt, "since_unix_us"), Cell(rebuilt, "set_aside"), Cell(rebuilt, "why"),
        Cell(rebuilt, "pages_from_guests"), Cell(rebuilt, "vms_to_ask"));
  if (Cell(status, "pages_complete") == "no")
    text += "TOO MANY PAGES for one answer: --vm shows those of one VM\n";
  if (Cell(status, "draining") == "yes")
    text += "DRAINED: no memory error is delivered (seawardctl drain --end)\n";
  return text;
}

Row EventCells(const json& event) {
  const json& gpa = At(event, "gpa");
  const std::string where =
      gpa.is_null() ? fmt::format("gva {}", Cell(event, "gva")) : Cell(event, "gpa");
  return {Time(event, "seen_unix_us"), Cell(event, "vm"),       where,
          Cell(event, "location"),     Cell(event, "evidence"), Cell(event, "access"),
          Cell(event, "severity"),     Cell(event, "vcpu"),     Cell(event, "esr"),
          Cell(event, "count"),        Cell(event, "source")};
}

Row AlarmCells(const json& alarm) {
  return {Time(alarm, "seen_unix_us"), Cell(alarm, "vm"),
          Cell(alarm, "raised") == "yes" ? "raised" : "over", Cell(alarm, "alarm")};
}

}  // namespace

std::string StatusText(const json& status) {
  std::string text = Header(status);
  std::vector<Row> vms{{"VM", "RUNS", "ATTACHED", "SESSION", "LOCATED", "SUSPECTED", "GVA-ONLY",
                        "UNLOCATED", "LOST", "PAGES", "RETIRED"}};
  std::vector<Row> alarms;
  std::vector<Row> pages{{"VM", "GPA", "BYTES", "BY", "EVIDENCE", "LIFE", "OUTCOME", "KIND",
                          "STAGE", "EXPOSURE", "HOST", "HEAL", "COUNT"}};
  for (const json& vm : At(status, "vms")) {
    vms.push_back(VmRow(vm));
    for (const json& page : At(vm, "pages")) pages.push_back(PageCells(page));
    for (const json& alarm : At(vm, "alarms"))
      alarms.push_back(
          {"ALARM", Cell(vm, "name"), Cell(alarm, "alarm"), "since", Time(alarm, "since_unix_us")});
  }
  text += Warnings(status);
  if (vms.size() == 1) return text + "\nno VMs\n";
  text += '\n' + Table(vms) + CoverageText(At(status, "vms"));
  if (!alarms.empty()) text += '\n' + Table(alarms);
  if (pages.size() > 1) text += '\n' + Table(pages);
  return text + LossesText(At(status, "vms"));
}

std::string EventsText(const json& events) {
  std::vector<Row> rows{{"ID", "TIME", "VM", "ADDRESS", "LOCATION", "EVIDENCE", "ACCESS",
                         "SEVERITY", "VCPU", "ESR", "COUNT", "SOURCE"}};
  for (const json& event : At(events, "events")) {
    Row row = EventCells(event);
    row.insert(row.begin(), Cell(event, "id"));
    rows.push_back(std::move(row));
  }
  std::vector<Row> alarms{{"TIME", "VM", "CHANGE", "ALARM"}};
  for (const json& alarm : At(events, "alarms")) alarms.push_back(AlarmCells(alarm));
  const std::string text = rows.size() == 1 ? "no events\n" : Table(rows);
  return alarms.size() == 1 ? text : text + '\n' + Table(alarms);
}

namespace {

std::string FrameText(const json& report) {
  const std::string frame = Cell(report, "host_frame");
  if (Cell(report, "retired") == "yes")
    return fmt::format("frame {}: retired in the host by the notifier itself: no news\n", frame);
  std::string text;
  for (const json& page : At(report, "pages")) text += ReportText(page);
  for (const json& vm : At(report, "placeless"))
    text += fmt::format(
        "{}: has frame {} at a place that its VMM does not tell: reported as an "
        "error somewhere\n",
        Cell(vm, "vm"), frame);
  return text;
}

}  // namespace

std::string ReportText(const json& report) {
  if (report.contains("host_frame")) return FrameText(report);
  return fmt::format("{}: {} bytes at {} reported as {}: page {} ({})\n", Cell(report, "vm"),
                     Cell(report, "length_bytes"), Cell(report, "gpa"), Cell(report, "evidence"),
                     Cell(report, "page"),
                     Cell(report, "is_new") == "yes" ? "new" : "known already");
}

std::string MigrationText(const json& report) {
  if (Cell(report, "safe") == "yes")
    return fmt::format("{}: safe to migrate, save, dump and snapshot with memory\n",
                       Cell(report, "vm"));
  return fmt::format("{}: NOT safe to migrate, save, dump or snapshot with memory: {}\n",
                     Cell(report, "vm"), Cell(report, "reason"));
}

std::string ClearText(const json& cleared) {
  std::string text;
  for (const json& page : At(cleared, "pages"))
    text += fmt::format("{}: {} bytes at {} are good memory: page {}\n", Cell(cleared, "vm"),
                        Cell(page, "length_bytes"), Cell(page, "gpa"), Cell(page, "id"));
  return text;
}

std::string ReplayText(const json& replay) {
  return fmt::format(
      "{}: {} pages {}\n", Cell(replay, "vm"), Cell(replay, "pages"),
      Cell(replay, "sent") == "yes" ? "sent again" : "go with the next session: none stands");
}

std::string DrainText(const json& drain) {
  std::string silent;
  for (const json& vm : At(drain, "silent_vms"))
    if (vm.is_string()) silent += ' ' + Printable(vm.get<std::string>());
  if (!silent.empty()) silent = "; not waited for, no session:" + silent;
  if (Cell(drain, "drained") == "yes")
    return fmt::format("drained after {} ms; goes on in {} s{}\n", Cell(drain, "waited_ms"),
                       Cell(drain, "resumes_in_s"), silent);
  return fmt::format("goes on: {} events not recorded, {} writes, {} pages without a verdict{}\n",
                     Cell(drain, "unrecorded_events"), Cell(drain, "waiting_writes"),
                     Cell(drain, "unanswered_pages"), silent);
}

std::string AuditText(const json& audit) {
  std::vector<Row> rows{
      {"TIME", "ACTION", "UID", "PID", "WHO", "VM", "GPA", "BYTES", "PAGES", "REASON"}};
  for (const json& entry : At(audit, "audit"))
    rows.push_back({Time(entry, "when_unix_us"), Cell(entry, "action"), Cell(entry, "uid"),
                    Cell(entry, "pid"), Cell(entry, "who"), Cell(entry, "vm_uuid"),
                    Cell(entry, "gpa"), Cell(entry, "length_bytes"), Cell(entry, "pages"),
                    Cell(entry, "reason")});
  return rows.size() == 1 ? "nothing\n" : Table(rows);
}

std::string ImportText(const std::string& file, const json& result) {
  std::string text;
  for (const json& error : At(result, "errors"))
    text += fmt::format("{}:{}: error: {}\n", file, Cell(error, "line"), Cell(error, "text"));
  return text + fmt::format("{} lines: {} added, {} known already, {} refused\n",
                            Cell(result, "lines"), Cell(result, "added"), Cell(result, "known"),
                            Cell(result, "refused"));
}

std::string ExplainText(const json& report) {
  std::string text =
      fmt::format("{}: {}{}\n", Cell(report, "vm"),
                  Cell(report, "running") == "yes" ? "running" : "not running",
                  Cell(report, "dry_run") == "yes" ? "; dry run: nothing is done" : "");
  for (const json& wrong : At(report, "own_policy_errors"))
    text += fmt::format("its own policy is not followed: {}\n",
                        Printable(wrong.is_string() ? wrong.get<std::string>() : ""));
  std::vector<Row> rules{{"RULE", "WHEN", "COUNTED", "WANTS", "WITHIN_S", "ACTION", "NOW"}};
  for (const json& rule : At(report, "rules")) {
    const std::string time = Cell(rule, Cell(rule, "for_s") == "-" ? "within_s" : "for_s");
    const Row counted{Cell(rule, "rule"), Cell(rule, "when"), Cell(rule, "counted"),
                      Cell(rule, "at_least"), time};
    for (const json& action : At(rule, "actions")) {
      Row row = counted;
      row.push_back(ActionCell(action));
      row.push_back(Cell(action, "judgement"));
      rules.push_back(std::move(row));
    }
  }
  text += rules.size() == 1 ? "no rule counts anything now\n" : Table(rules);
  std::vector<Row> decisions{
      {"ID", "DECIDED", "RULE", "ACTION", "STATE", "TRIES", "REASON", "RESULT"}};
  for (const json& row : At(report, "decisions"))
    decisions.push_back({Cell(row, "id"), Time(row, "decided_unix_us"), Cell(row, "rule"),
                         ActionCell(row), Cell(row, "state"), Cell(row, "attempts"),
                         Cell(row, "reason"), Cell(row, "result")});
  return text + (decisions.size() == 1 ? "nothing was decided yet\n" : '\n' + Table(decisions));
}

std::string DomainCheckText(const json& report) {
  std::vector<Row> rows;
  for (const json& finding : At(report, "findings")) {
    const std::string state = Cell(finding, "state");
    rows.push_back(
        {state == "lacking" ? "LACKING" : state, Cell(finding, "item"), Cell(finding, "text")});
  }
  const std::string end = Cell(report, "complete") == "yes"
                              ? "nothing is lacking"
                              : fmt::format("see: seawardctl domain xml {}", Cell(report, "vm"));
  return (rows.empty() ? "" : Table(rows)) + end + '\n';
}

std::string DomainXmlText(const json& report) {
  std::string text;
  for (const json& part : At(report, "recipe"))
    text += fmt::format("<!-- in <{}>{} -->\n{}", Cell(part, "inside"),
                        Cell(part, "present") == "yes" ? "; the domain has one already" : "",
                        At(part, "xml").is_string() ? At(part, "xml").get<std::string>() : "");
  return text;
}

std::string WatchText(const json& line) {
  const std::string type = Cell(line, "type");
  if (type == "event") {
    const Row cells = EventCells(At(line, "event"));
    return fmt::format("{}  {}  event {}  {} {} {} {} vcpu {} esr {} count {} from {}\n", cells[0],
                       cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7],
                       cells[8], cells[9], cells[10]);
  }
  if (type == "page") {
    const json& page = At(line, "page");
    return fmt::format("{}  {}  page {}  {} ({} {} by {}) exposure {} host {} heal {}\n",
                       Time(page, "last_seen_unix_us"), Cell(page, "vm"), Cell(page, "gpa"),
                       Cell(page, "life"), Cell(page, "outcome"), Cell(page, "kind"),
                       Cell(page, "stage"), Exposure(page), Cell(page, "host_retired"), Heal(page));
  }
  if (type == "alarm") {
    const Row cells = AlarmCells(At(line, "alarm"));
    return fmt::format("{}  {}  alarm {} {}\n", cells[0], cells[1], cells[3], cells[2]);
  }
  if (type == "lost") return fmt::format("... {} lines lost: too slow\n", Cell(line, "lines"));
  return {};
}

}  // namespace seaward::ctl
