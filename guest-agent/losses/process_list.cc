#include "guest-agent/losses/process_list.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

constexpr std::size_t kMapsCap = 4 << 20;  // 40,000 mappings, near the kernel's own limit
constexpr std::size_t kLineCap = 8192;
// Swap files have the types from 0 on, at most 23 of 32 in any configuration; a poisoned page's
// type lies above them.
constexpr std::uint64_t kFirstSpecialType = 16;

}  // namespace

PageFrame LostFrameIn(std::uint64_t entry) {
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
  constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
  if ((entry & kPresent) != 0 || (entry & kSwapped) == 0) return {};
  if ((entry & 0x1f) < kFirstSpecialType) return {};
  return {(entry & ((std::uint64_t{1} << 55) - 1)) >> 5};
}

bool ParseSpan(std::string_view line, AddressSpan& span) {
  const char* const end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, span.first, 16);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '-') return false;
  std::uint64_t behind = 0;
  const auto last = std::from_chars(first.ptr + 1, end, behind, 16);
  if (last.ec != std::errc{} || behind <= span.first) return false;
  span.last = behind - 1;
  return true;
}

std::string UnifiedPathIn(std::string_view cgroup) {
  while (!cgroup.empty()) {
    const std::size_t end = std::min(cgroup.find('\n'), cgroup.size());
    if (cgroup.starts_with("0::")) return std::string(cgroup.substr(3, end - 3));
    cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
  }
  return {};
}

std::string Printable(std::string_view text, std::size_t most) {
  std::string out(text.substr(text.size() - std::min(text.size(), most)));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return out;
}

std::vector<pid_t> ProcessList::Pids() const {
  std::vector<pid_t> pids;
  std::error_code error;
  for (std::filesystem::directory_iterator it(proc_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t pid = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc{} && rest == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

Result<std::vector<AddressSpan>> ProcessList::Spans(pid_t pid) const {
  auto text = ReadTextFile(proc_ + "/" + std::to_string(pid) + "/maps", kMapsCap);
  if (!text) return Forward(text);
  std::vector<AddressSpan> spans;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    AddressSpan span;
    if (ParseSpan(rest.substr(0, end), span)) spans.push_back(span);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return spans;
}

std::string ProcessList::Comm(pid_t pid) const {
  const auto text = ReadTextFile(proc_ + "/" + std::to_string(pid) + "/comm", kLineCap);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

std::string ProcessList::Cgroup(pid_t pid) const {
  const auto text = ReadTextFile(proc_ + "/" + std::to_string(pid) + "/cgroup", kLineCap);
  return text ? UnifiedPathIn(*text) : std::string();
}

}  // namespace seaward::agent
