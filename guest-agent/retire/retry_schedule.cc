#include "guest-agent/retire/retry_schedule.h"

#include <algorithm>

namespace seaward::agent {
namespace {

using protocol::PoisonEntry;

constexpr std::size_t kMaxWaiting = 16;

bool Contains(const std::vector<PoisonEntry>& entries, const PoisonEntry& entry) {
  return std::any_of(entries.begin(), entries.end(),
                     [&entry](const PoisonEntry& other) { return SameEntry(other, entry); });
}

}  // namespace

bool SameEntry(const PoisonEntry& a, const PoisonEntry& b) {
  return a.id == b.id && a.range == b.range && a.evidence == b.evidence;
}

std::chrono::milliseconds RetrySchedule::Defer(GuestPhysAddr page, const PoisonEntry& entry,
                                               MonoTime now) {
  const auto delay = Postpone(page, now);
  Join(page, entry);
  return delay;
}

std::chrono::milliseconds RetrySchedule::Postpone(GuestPhysAddr page, MonoTime now) {
  const auto [it, first_time] = retries_.try_emplace(page);
  Retry& retry = it->second;
  retry.delay = first_time ? initial_ : std::min(retry.delay * 2, max_);
  retry.due = now + retry.delay;
  return retry.delay;
}

void RetrySchedule::Join(GuestPhysAddr page, const PoisonEntry& entry) {
  std::vector<PoisonEntry>& waiting = retries_.at(page).waiting;
  if (!Contains(waiting, entry) && waiting.size() < kMaxWaiting) waiting.push_back(entry);
}

void RetrySchedule::Forget(const ByteRange& range) {
  for (auto& [page, retry] : retries_)
    std::erase_if(retry.waiting,
                  [&range](const PoisonEntry& entry) { return range.Overlaps(entry.range); });
  std::erase_if(retries_, [](const auto& item) { return item.second.waiting.empty(); });
}

bool RetrySchedule::Awaited(const PoisonEntry& entry) const {
  return std::any_of(retries_.begin(), retries_.end(),
                     [&entry](const auto& item) { return Contains(item.second.waiting, entry); });
}

std::vector<PoisonEntry> RetrySchedule::WaitingFor(GuestPhysAddr page) const {
  const auto it = retries_.find(page);
  return it == retries_.end() ? std::vector<PoisonEntry>{} : it->second.waiting;
}

std::chrono::milliseconds RetrySchedule::Left(GuestPhysAddr page, MonoTime now) const {
  const auto it = retries_.find(page);
  if (it == retries_.end() || it->second.due <= now) return std::chrono::milliseconds(0);
  return std::chrono::ceil<std::chrono::milliseconds>(it->second.due - now);
}

std::optional<GuestPhysAddr> RetrySchedule::FirstDue(MonoTime now) const {
  for (const auto& [page, retry] : retries_)
    if (retry.due <= now) return page;
  return std::nullopt;
}

std::optional<MonoTime> RetrySchedule::NextDue() const {
  std::optional<MonoTime> next;
  for (const auto& [page, retry] : retries_)
    if (!next || retry.due < *next) next = retry.due;
  return next;
}

}  // namespace seaward::agent
