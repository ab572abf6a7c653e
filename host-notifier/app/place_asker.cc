#include "host-notifier/app/place_asker.h"

#include <utility>

namespace seaward {

void PlaceAsker::Ask(HostVirtAddr host, Done done) {
  const vmm::PlaceQuestion question{last_id_ + 1, host};
  if (!send_(question)) return done(std::nullopt);
  ++last_id_;
  open_.emplace(question.id, Question{clock_.Now() + kPatience, std::move(done)});
  if (open_.size() == 1) timer_.Start(kPatience, [this] { GiveUpLate(); });
}

bool PlaceAsker::Answered(const vmm::PlaceAnswer& answer) {
  const auto found = open_.find(answer.id);
  // One that comes too late was asked all the same.
  if (found == open_.end()) return answer.id != 0 && answer.id <= last_id_;
  const Done done = std::move(found->second.done);
  open_.erase(found);
  done(answer.guest);
  return true;
}

void PlaceAsker::Stop() {
  timer_.Cancel();
  for (auto& [id, question] : std::exchange(open_, {})) question.done(std::nullopt);
}

// Ids ascend with their deadlines.
void PlaceAsker::GiveUpLate() {
  const MonoTime now = clock_.Now();
  while (!open_.empty() && open_.begin()->second.until <= now) {
    const Done done = std::move(open_.begin()->second.done);
    open_.erase(open_.begin());
    done(std::nullopt);
  }
  if (!open_.empty()) timer_.Start(open_.begin()->second.until - now, [this] { GiveUpLate(); });
}

}  // namespace seaward
