// Finds the processes that lost some pages, a slice at a time: what one slice reads is bounded, so
// that a new error never waits for a large process.
#pragma once

#include <map>
#include <vector>

#include "base/unique_fd.h"
#include "guest-agent/losses/process_list.h"
#include "guest-agent/pages/page_size.h"
#include "protocol/messages.h"

namespace seaward::agent {

// A page that was taken from whoever held it.
struct SoughtPage {
  std::uint64_t id = 0;  // of the host's report
  ByteRange page = ByteRange::Granule({});
  std::uint64_t bytes = 0;  // lost with it
  std::string cgroup;       // that it was charged to
};

class LossSearch {
 public:
  LossSearch(const ProcessList& processes, PageSize page_size, std::vector<SoughtPage> pages);

  // False: the search is over.
  bool Step();
  // One loss per process and page, at most 8 for one page; for a page that nobody was found to have
  // lost one with its cgroup, when that is known.
  protocol::Losses Found() const;
  // Of processes that may not be looked at.
  std::size_t unseen() const { return unseen_; }

 private:
  bool OpenNext();
  void ReadSome();
  void Match(std::uint64_t entry);

  const ProcessList& processes_;
  PageSize page_size_;
  std::vector<SoughtPage> pages_;
  std::map<PageFrame, std::size_t> by_frame_;
  std::vector<pid_t> pids_;
  pid_t pid_ = 0;
  UniqueFd pagemap_;
  std::vector<AddressSpan> spans_;  // of pid_, those left at the back
  std::uint64_t entries_left_ = 0;  // of pid_
  std::size_t unseen_ = 0;
  std::map<std::size_t, std::vector<pid_t>> losers_;
  std::map<pid_t, protocol::Loss> names_;
};

}  // namespace seaward::agent
