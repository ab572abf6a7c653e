#include "host-notifier/vmm/page_healer.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <exception>
#include <utility>

#include "host-notifier/vmm/keep_errno.h"

namespace seaward::vmm {
std::optional<HealResult> PageHealer::Misplaced(const HealOrder& order) const noexcept {
  // A frame larger than what is bad holds good data of the guest, too.
  if (calls_.PageBytes() != kPoisonGranule) return HealResult::kLargerPage;
  if (order.page.value % kPoisonGranule != 0 || order.host.value % kPoisonGranule != 0)
    return HealResult::kNotMapped;
  const auto last = memory_.Find(GuestPhysAddr{order.page.value + kPoisonGranule - 1});
  if (memory_.Find(order.page) != order.host || !last ||
      last->value != order.host.value + kPoisonGranule - 1)
    return HealResult::kNotMapped;
  return std::nullopt;
}

HealAnswer PageHealer::Take(const HealOrder& order) noexcept {
  try {
    return {order.id, CarryOut(order)};
  } catch (const std::exception&) {  // no memory
    return {order.id, HealResult::kFailed};
  }
}

HealResult PageHealer::CarryOut(const HealOrder& order) {
  if (const auto misplaced = Misplaced(order)) return *misplaced;
  std::array<PageToReplace, 1> page{PageToReplace{.address = order.host, .refusal = {}}};
  // Not under the lock: it takes long, and the VMM must be able to change its memory.
  calls_.JudgePages(page, Look::kThorough);
  if (page[0].refusal) return *page[0].refusal;
  if (order.when == HealWhen::kAtReset) return Keep(order, page[0].locked);
  const std::lock_guard lock(mutex_);
  if (const auto misplaced = Misplaced(order)) return *misplaced;
  calls_.JudgePages(page, Look::kQuick);
  if (page[0].refusal) return *page[0].refusal;
  return Replace(order, page[0]);
}

HealResult PageHealer::Keep(const HealOrder& order, bool locked) {
  const std::lock_guard lock(mutex_);
  std::erase_if(standing_, [&](const Standing& s) { return s.order.id == order.id; });
  if (standing_.size() >= kMostStanding) return HealResult::kFailed;
  standing_.push_back({order, locked});
  standing_count_ = standing_.size();
  return HealResult::kStanding;
}

// Under the mutex.
HealResult PageHealer::Replace(const HealOrder& order, const PageToReplace& page) noexcept {
  const int failed = calls_.SetAside(page, kPoisonGranule);
  std::array<char, 160> line;
  const int n = std::snprintf(line.data(), line.size(),
                              "event=heal gpa=0x%" PRIx64 " hva=0x%" PRIx64 " outcome=%s errno=%d",
                              order.page.value, order.host.value,
                              failed == 0 ? "replaced" : "failed", failed);
  if (n > 0)
    calls_.Say(LogLevel::kInfo, std::string_view(line.data(), static_cast<std::size_t>(n)));
  return failed == 0 ? HealResult::kReplaced : HealResult::kFailed;
}

void PageHealer::GuestReset(bool vcpus_running) noexcept {
  const KeepErrno keep;
  try {
    CarryOutStanding(vcpus_running);
  } catch (const std::exception&) {  // no memory: the pages stay bad, and the notifier is told none
    calls_.Say(LogLevel::kError, "out of memory: bad pages stay in the guest");
  }
}

void PageHealer::CarryOutStanding(bool vcpus_running) {
  const std::lock_guard lock(mutex_);
  std::vector<PageToReplace> pages;
  for (const Standing& s : standing_) {
    PageToReplace page{.address = s.order.host, .locked = s.locked, .refusal = {}};
    page.refusal = vcpus_running ? HealResult::kVcpusRunning : Misplaced(s.order);
    pages.push_back(page);
  }
  if (!vcpus_running) calls_.JudgePages(pages, Look::kQuick);
  results_.reserve(results_.size() + pages.size());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const HealOrder& order = standing_[i].order;
    results_.push_back({order.id, pages[i].refusal ? *pages[i].refusal : Replace(order, pages[i])});
  }
  standing_.clear();
  standing_count_ = 0;
}

std::vector<HealAnswer> PageHealer::TakeResults() noexcept {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, {});
}

void PageHealer::ForgetOrders() noexcept {
  const std::lock_guard lock(mutex_);
  standing_.clear();
  standing_count_ = 0;
  results_.clear();
}

}  // namespace seaward::vmm
