#include "guest-agent/losses/loss_search.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/file_io.h"
#include "protocol/format.h"

namespace seaward::agent {
namespace {

// Of one slice: 64 KiB of pagemap, a hundred microseconds.
constexpr std::size_t kEntriesPerStep = 8192;
// Of one process: 256 GiB of addresses with 4 KiB pages. Beyond it the search would take a second.
constexpr std::uint64_t kEntriesPerProcess = std::uint64_t{1} << 26;
constexpr std::size_t kLosersPerPage = 8;

}  // namespace

LossSearch::LossSearch(const ProcessList& processes, PageSize page_size,
                       std::vector<SoughtPage> pages)
    : processes_(processes),
      page_size_(page_size),
      pages_(std::move(pages)),
      pids_(processes.Pids()) {
  for (std::size_t i = 0; i < pages_.size(); ++i)
    by_frame_.emplace(FrameOf(pages_[i].page.start(), page_size_), i);
}

bool LossSearch::Step() {
  if (by_frame_.empty()) return false;
  if (!spans_.empty()) {
    ReadSome();
    return true;
  }
  return OpenNext();
}

bool LossSearch::OpenNext() {
  if (pids_.empty()) return false;
  pid_ = pids_.back();
  pids_.pop_back();
  auto spans = processes_.Spans(pid_);
  auto pagemap = OpenFile(processes_.PagemapPath(pid_), O_RDONLY);
  if (!spans || !pagemap) {
    const Error& why = !spans ? spans.error() : pagemap.error();
    if (why.code == ErrorCode::kDenied) ++unseen_;
    return true;
  }
  pagemap_ = std::move(*pagemap);
  spans_ = std::move(*spans);
  entries_left_ = kEntriesPerProcess;
  return true;
}

void LossSearch::ReadSome() {
  AddressSpan& span = spans_.back();
  std::array<std::uint64_t, kEntriesPerStep> entries;
  const std::uint64_t first = span.first / page_size_.bytes;
  const std::uint64_t wanted = std::min<std::uint64_t>(
      {span.last / page_size_.bytes - first + 1, entries.size(), entries_left_});
  const ssize_t n = ::pread(pagemap_.get(), entries.data(), wanted * sizeof entries[0],
                            static_cast<off_t>(first * sizeof entries[0]));
  const std::uint64_t got = n > 0 ? static_cast<std::uint64_t>(n) / sizeof entries[0] : 0;
  for (std::uint64_t i = 0; i < got; ++i) Match(entries[i]);
  entries_left_ -= got;
  span.first += got * page_size_.bytes;
  // A span that cannot be read further (its process is gone) is done, and so is one read to its
  // end.
  if (got == 0 || span.first > span.last) spans_.pop_back();
  if (entries_left_ == 0) spans_.clear();
}

void LossSearch::Match(std::uint64_t entry) {
  const PageFrame frame = LostFrameIn(entry);
  if (frame.number == 0) return;
  const auto page = by_frame_.find(frame);
  if (page == by_frame_.end()) return;
  std::vector<pid_t>& losers = losers_[page->second];
  if (losers.size() >= kLosersPerPage ||
      std::find(losers.begin(), losers.end(), pid_) != losers.end())
    return;
  losers.push_back(pid_);
  names_.try_emplace(
      pid_,
      protocol::Loss{.pid = static_cast<std::uint32_t>(pid_),
                     .comm = Printable(processes_.Comm(pid_), protocol::kMaxCommBytes),
                     .cgroup = Printable(processes_.Cgroup(pid_), protocol::kMaxCgroupBytes)});
}

protocol::Losses LossSearch::Found() const {
  protocol::Losses found;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    const auto losers = losers_.find(i);
    protocol::Loss loss;
    if (losers == losers_.end() && pages_[i].cgroup.empty()) continue;
    for (const pid_t pid : losers == losers_.end() ? std::vector<pid_t>{0} : losers->second) {
      if (pid != 0) loss = names_.at(pid);
      loss.id = pages_[i].id;
      loss.range = pages_[i].page;
      loss.lost_bytes = pages_[i].bytes;
      if (loss.cgroup.empty()) loss.cgroup = Printable(pages_[i].cgroup, protocol::kMaxCgroupBytes);
      found.losses.push_back(loss);
    }
  }
  return found;
}

}  // namespace seaward::agent
