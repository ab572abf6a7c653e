#include "tests/guest/coverage_prober.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace seaward::testing {
namespace {

using Names = std::vector<std::string>;

constexpr std::uint64_t kPageBytes = 4096;
// A question and its answer are one line each.
constexpr std::size_t kPagesAtOnce = 200;

bool Has(const Names& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "40000000-bfffffff : System RAM", one per line; what lies inside is indented.
Result<std::vector<ByteRange>> SystemRam(GuestShell& shell) {
  auto reply = shell.Ask("read", {{"path", "/proc/iomem"}});
  if (!reply) return Forward(reply);
  std::vector<ByteRange> ranges;
  std::istringstream lines((*reply)["text"].get<std::string>());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(" ") || line.find(" : System RAM") == std::string::npos) continue;
    std::size_t dash = 0;
    const std::uint64_t first = std::stoull(line, &dash, 16);
    const std::uint64_t last = std::stoull(line.substr(dash + 1), nullptr, 16);
    if (auto range = ByteRange::Make(GuestPhysAddr{first}, last - first + 1))
      ranges.push_back(*range);
  }
  if (ranges.empty()) return Fail(ErrorCode::kCorrupt, "no System RAM");
  return ranges;
}

// "Memory failure: 0x4a123: recovery action for free buddy page: Recovered", by frame; the first
// word on a frame is what became of it, later ones find it flagged.
Result<std::map<std::uint64_t, std::string>> Recoveries(GuestShell& shell) {
  constexpr std::string_view kAbout = "Memory failure: ";
  constexpr std::string_view kAction = ": recovery action for ";
  auto reply = shell.Ask("kernel_log", {{"with", kAction}});
  if (!reply) return Forward(reply);
  std::map<std::uint64_t, std::string> recoveries;
  for (const auto& entry : (*reply)["lines"]) {
    const auto line = entry.get<std::string>();
    const auto about = line.find(kAbout);
    const auto action = line.find(kAction);
    if (about == std::string::npos || action == std::string::npos) continue;
    const std::uint64_t frame = std::stoull(line.substr(about + kAbout.size()), nullptr, 16);
    recoveries.emplace(frame, line.substr(action + kAction.size()));
  }
  return recoveries;
}

Result<std::vector<Names>> FlagsOf(GuestShell& shell, const std::vector<GuestPhysAddr>& pages) {
  std::vector<Names> all;
  for (std::size_t at = 0; at < pages.size(); at += kPagesAtOnce) {
    auto list = nlohmann::json::array();
    for (std::size_t i = at; i < std::min(pages.size(), at + kPagesAtOnce); ++i)
      list.push_back(FormatAddress(pages[i].value));
    auto reply = shell.Ask("flags_of_all", {{"pages", list}});
    if (!reply) return Forward(reply);
    for (const auto& names : (*reply)["names"]) all.push_back(names.get<Names>());
  }
  return all;
}

// The flag alone proves nothing: a page that the kernel uses on is flagged as well.
bool Retired(const Names& flags, const std::string& recovery) {
  if (!Has(flags, "HWPOISON")) return false;
  for (const char* use : {"BUDDY", "SLAB", "PGTABLE", "RESERVED", "LRU", "MMAP"})
    if (Has(flags, use)) return false;
  return recovery.ends_with(": Recovered");
}

}  // namespace

Result<std::vector<ProbedPage>> ProbePages(GuestShell& shell,
                                           const std::vector<GuestPhysAddr>& pages) {
  auto ram = SystemRam(shell);
  if (!ram) return Forward(ram);
  auto recoveries = Recoveries(shell);
  if (!recoveries) return Forward(recoveries);
  auto flags = FlagsOf(shell, pages);
  if (!flags) return Forward(flags);
  std::vector<ProbedPage> probed;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ProbedPage page{.page = pages[i], .kind = {}};
    const std::string recovery = (*recoveries)[pages[i].value / kPageBytes];
    const bool inside = std::any_of(ram->begin(), ram->end(), [&](const ByteRange& range) {
      return range.Overlaps(ByteRange::Granule(pages[i]));
    });
    if (!inside) {
      page.protection = Protection::kOutside;
    } else if (Retired((*flags)[i], recovery)) {
      page.protection = Protection::kRetired;
    } else {
      page.kind = recovery.empty() ? fmt::format("not attempted, {}", fmt::join((*flags)[i], "+"))
                                   : recovery;
    }
    probed.push_back(std::move(page));
  }
  return probed;
}

}  // namespace seaward::testing
