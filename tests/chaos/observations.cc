#include "tests/chaos/observations.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/file_io.h"

namespace seaward::chaos {
namespace {

using Json = nlohmann::json;

// One statement: one moment of the ledger. Rows tell what they are in their first column.
constexpr char kLook[] =
    "SELECT 'open' AS what, id AS text, coalesce(boot, '') AS boot, (SELECT coalesce(sum(count), "
    "0) FROM event e WHERE e.incarnation = i.id AND source = 'exit') AS number, 0 AS gpa, 0 AS "
    "length, '' AS life, '' AS outcome, '' AS kind, '' AS stage FROM incarnation i WHERE "
    "ended_wall_ns IS NULL "
    "UNION ALL SELECT 'twice', '', '', (SELECT count(*) FROM (SELECT 1 FROM page WHERE life NOT IN "
    "('cleared', 'closed') GROUP BY incarnation, gpa HAVING count(*) > 1)), 0, 0, '', '', '', '' "
    "UNION ALL SELECT 'page', '', '', p.id, p.gpa, p.length, p.life, coalesce(p.outcome, ''), "
    "coalesce(p.kind, ''), coalesce(p.stage, '') FROM page p JOIN incarnation i ON i.id = "
    "p.incarnation WHERE i.ended_wall_ns IS NULL";

Result<Usage> UsageOf(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  auto stat = ReadTextFile(folder + "/stat", 4096);
  if (!stat) return Forward(stat);
  std::istringstream in(stat->substr(stat->rfind(')') + 1));
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  // proc(5): utime is field 14, stime 15, rss (pages) 24; the first word is field 3.
  if (words.size() < 22) return Fail(ErrorCode::kCorrupt, folder + "/stat");
  Usage usage;
  usage.cpu_ms = (std::stoull(words[11]) + std::stoull(words[12])) * 1000 /
                 static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  usage.rss_kb =
      std::stoull(words[21]) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
  std::error_code failed;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(folder + "/fd", failed))
    ++usage.descriptors;
  return usage;
}

}  // namespace

std::vector<const LedgerRow*> LedgerPicture::About(const ByteRange& range) const {
  std::vector<const LedgerRow*> about;
  for (const LedgerRow& row : rows)
    if (row.range.Overlaps(range) && row.life != "cleared" && row.life != "closed")
      about.push_back(&row);
  return about;
}

Result<LedgerPicture> LookAtLedger(Machines& machines) {
  auto rows = machines.host().QueryLedger(kLook);
  if (!rows) return Forward(rows);
  LedgerPicture picture;
  for (const Json& row : *rows) {
    const auto what = row["what"].get<std::string>();
    const auto number = row["number"].get<std::uint64_t>();
    if (what == "open") {
      picture.open_incarnations.push_back(row["text"].get<std::string>());
      picture.boot = row["boot"].get<std::string>();
      picture.exits += number;
      continue;
    }
    if (what == "twice") {
      picture.rows_twice = number;
      continue;
    }
    auto range = ByteRange::Make({static_cast<std::uint64_t>(row["gpa"].get<std::int64_t>())},
                                 row["length"].get<std::uint64_t>());
    if (!range) return Forward(range);
    picture.rows.push_back({number, *range, row["life"].get<std::string>(),
                            row["outcome"].get<std::string>(), row["kind"].get<std::string>(),
                            row["stage"].get<std::string>()});
  }
  return picture;
}

bool IsSettled(const LedgerRow& row) {
  return row.life == "retired" || row.life == "excluded" || row.life == "failed";
}

Result<std::vector<FlagSet>> LookAtFrames(Machines& machines,
                                          const std::vector<GuestPhysAddr>& pages) {
  std::vector<FlagSet> all;
  // One line through a serial port: not more than it takes well.
  constexpr std::size_t kAtOnce = 200;
  for (std::size_t first = 0; first < pages.size(); first += kAtOnce) {
    Json asked = Json::array();
    for (std::size_t i = first; i < std::min(pages.size(), first + kAtOnce); ++i)
      asked.push_back(FormatAddress(pages[i].value));
    auto reply = machines.AskGuest("flags_of_all", {{"pages", asked}});
    if (!reply) return Forward(reply);
    for (const Json& names : (*reply)["names"]) all.push_back(names.get<FlagSet>());
  }
  return all;
}

Result<Usage> UsageOfNotifier(Machines& machines) {
  return UsageOf(machines.host().notifier_pid());
}

Result<Usage> UsageOfAgent(Machines& machines) {
  auto pid = machines.AgentPid();
  if (!pid) return Forward(pid);
  auto reply = machines.AskGuest("process_usage", {{"pid", *pid}});
  if (!reply) return Forward(reply);
  return Usage{(*reply)["rss_kb"].get<std::uint64_t>(),
               (*reply)["descriptors"].get<std::uint64_t>(),
               (*reply)["cpu_ms"].get<std::uint64_t>()};
}

}  // namespace seaward::chaos
