// Behind the verdicts, when there is nothing more urgent: who lost the pages that were retired.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "guest-agent/losses/loss_search.h"

namespace seaward::agent {

class LossFinder {
 public:
  // `proc` and `cgroups` are "/proc" and "/sys/fs/cgroup" outside of tests.
  LossFinder(const std::string& proc, std::string cgroups, PageSize page_size)
      : processes_(proc), cgroups_(std::move(cgroups)), page_size_(page_size) {}

  // `cgroup`: an inode, 0 unknown. Beyond 256 that wait a page is passed over, and counted.
  void Seek(std::uint64_t id, const ByteRange& page, std::uint64_t bytes, std::uint64_t cgroup);
  bool HasWork() const { return search_ != nullptr || !waiting_.empty(); }
  // One slice; the losses of some pages when their search is over.
  std::optional<protocol::Losses> Step();

  std::size_t unseen_processes() const { return unseen_; }
  std::size_t passed_over() const { return passed_over_; }

 private:
  struct Waiting {
    SoughtPage page;
    std::uint64_t cgroup;
  };
  ProcessList processes_;
  std::string cgroups_;
  PageSize page_size_;
  std::deque<Waiting> waiting_;
  std::unique_ptr<LossSearch> search_;
  std::size_t unseen_ = 0;
  std::size_t passed_over_ = 0;
};

}  // namespace seaward::agent
