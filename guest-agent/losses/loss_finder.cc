#include "guest-agent/losses/loss_finder.h"

#include "guest-agent/losses/cgroup_names.h"

namespace seaward::agent {
namespace {

constexpr std::size_t kMostWaiting = 256;
constexpr std::size_t kPagesPerSearch = 64;

}  // namespace

void LossFinder::Seek(std::uint64_t id, const ByteRange& page, std::uint64_t bytes,
                      std::uint64_t cgroup) {
  if (waiting_.size() >= kMostWaiting) {
    ++passed_over_;
    return;
  }
  waiting_.push_back({SoughtPage{id, page, bytes, {}}, cgroup});
}

std::optional<protocol::Losses> LossFinder::Step() {
  if (!search_) {
    std::vector<SoughtPage> pages;
    while (!waiting_.empty() && pages.size() < kPagesPerSearch) {
      pages.push_back(std::move(waiting_.front().page));
      pages.back().cgroup = CgroupPath(cgroups_, waiting_.front().cgroup);
      waiting_.pop_front();
    }
    search_ = std::make_unique<LossSearch>(processes_, page_size_, std::move(pages));
    return std::nullopt;
  }
  if (search_->Step()) return std::nullopt;
  unseen_ = search_->unseen();
  protocol::Losses found = search_->Found();
  search_.reset();
  return found;
}

}  // namespace seaward::agent
