#include "host-notifier/app/vm_healer.h"

#include <utility>

namespace seaward {
namespace {

using ledger::HealState;
using ledger::PageLife;
using ledger::PageRow;

// Refusals of the notifier's own; the VMM's are in vmm/heal_message.h.
constexpr std::string_view kOff = "off";                // the VMM's library takes no orders
constexpr std::string_view kUnattached = "unattached";  // no VMM is there
constexpr std::string_view kHostNotRetired = "host_not_retired";  // its frame is not known
constexpr std::string_view kNoAnswer = "no_answer";               // the VMM says nothing
constexpr std::string_view kNotReplaced = "not_replaced";  // the kernel disagrees with the VMM
constexpr std::string_view kOwnReasons[] = {kOff, kUnattached, kHostNotRetired, kNoAnswer,
                                            kNotReplaced};

// What a socket's buffer holds with room to spare, so that a living VMM is never not told.
constexpr std::size_t kMostUnanswered = 32;

HealRefusals NoneYet() {
  HealRefusals refusals;
  for (const std::string_view reason : kOwnReasons) refusals[std::string(reason)] = 0;
  for (const auto refusal : vmm::kAllHealRefusals)
    refusals[std::string(vmm::ToString(refusal))] = 0;
  return refusals;
}

bool IsOutOfUse(PageLife life) {
  return life == PageLife::kRetired || life == PageLife::kExcluded;
}

// Why nobody needs to be asked.
std::string_view RefusalOf(const PageRow& page) {
  // A page of several granules has several frames, of which one is known.
  if (!page.host_frame || !page.host_address || page.range.length() != kPoisonGranule)
    return kHostNotRetired;
  return "";
}

}  // namespace

VmHealer::VmHealer(const VmContext& context, const Logger& log, Edges edges,
                   std::chrono::nanoseconds patience)
    : context_(context),
      log_(log),
      edges_(std::move(edges)),
      patience_(patience),
      answer_timer_(context.loop),
      refusals_(NoneYet()) {}

bool VmHealer::IsDue(const PageRow& page) const {
  // The data of a predicted page is good, and its frame stays with the host.
  if (!ledger::IsWanted(page.life) || page.evidence == protocol::Evidence::kPredicted) return false;
  switch (context_.config.heal) {
    case config::HealMode::kOff:
      return false;
    case config::HealMode::kAtReset:
      return true;
    case config::HealMode::kWhenRetired:
      return IsOutOfUse(page.life);
  }
  return false;
}

void VmHealer::PageWentBad(std::uint64_t page) {
  if (context_.config.heal != config::HealMode::kAtReset || orders_.contains(page)) return;
  context_.ledger.Read<PageRow>([page](ledger::Ledger& l) { return l.View().Page(page); },
                                [weak = weak_from_this()](const Result<PageRow>& row) {
                                  const auto self = weak.lock();
                                  // A page that was refused waits for the next occasion.
                                  if (self == nullptr || !row || row->heal == HealState::kRefused)
                                    return;
                                  if (self->IsDue(*row)) self->Begin(*row);
                                });
}

bool VmHealer::TakesOver(const PageRow& page) {
  if (context_.config.heal != config::HealMode::kWhenRetired || !IsDue(page)) return false;
  Begin(page);
  return true;
}

void VmHealer::CatchUp(const Uuid& incarnation) {
  const auto vmm = edges_.vmm();
  if (!vmm) return;
  context_.ledger.Read<std::vector<Candidate>>(
      [incarnation, process = vmm->process,
       &memory = context_.memory](ledger::Ledger& l) -> Result<std::vector<Candidate>> {
        auto wanted = l.View().WantedPages(incarnation);
        if (!wanted) return Forward(wanted);
        std::vector<Candidate> candidates;
        for (const protocol::PoisonEntry& entry : *wanted) {
          auto page = l.View().Page(entry.id);
          if (!page) return Forward(page);
          const bool replaced = RefusalOf(*page).empty() &&
                                memory.IsReplaced(process, *page->host_address, *page->host_frame);
          candidates.push_back({std::move(*page), replaced});
        }
        return candidates;
      },
      [weak = weak_from_this()](const Result<std::vector<Candidate>>& candidates) {
        const auto self = weak.lock();
        if (self == nullptr || !candidates) return;
        for (const Candidate& candidate : *candidates) self->Resume(candidate);
      });
}

void VmHealer::Resume(const Candidate& candidate) {
  const auto vmm = edges_.vmm();
  if (!vmm || orders_.contains(candidate.page.id) || concluding_.contains(candidate.page.id))
    return;
  if (candidate.replaced) return Conclude({candidate.page, vmm->process});
  if (IsDue(candidate.page)) Begin(candidate.page);
}

void VmHealer::Begin(const PageRow& page) {
  if (orders_.contains(page.id)) return;
  if (const auto refusal = RefusalOf(page); !refusal.empty()) return Refuse(page, refusal);
  const auto vmm = edges_.vmm();
  if (!vmm) return Refuse(page, kUnattached);
  if (!vmm->takes_orders) return Refuse(page, kOff);
  orders_[page.id] = {page, vmm->process};
  queue_.push_back(page.id);
  Pump();
}

void VmHealer::Pump() {
  const bool at_reset = context_.config.heal == config::HealMode::kAtReset;
  while (!queue_.empty() && unanswered_ < kMostUnanswered) {
    Order& order = orders_.at(queue_.front());
    if (!edges_.send({.id = order.page.id,
                      .page = order.page.range.start(),
                      .host = *order.page.host_address,
                      .when = at_reset ? vmm::HealWhen::kAtReset : vmm::HealWhen::kNow}))
      break;
    queue_.pop_front();
    order.phase = Phase::kSent;
    ++unanswered_;
    context_.ledger.Write<PageRow>(
        [id = order.page.id](ledger::Ledger& l) {
          return l.RecordHeal(id, HealState::kOrdered, "");
        },
        [weak = weak_from_this()](const Result<PageRow>& row) {
          const auto self = weak.lock();
          if (self != nullptr && row) self->edges_.ordered(*row);
        });
  }
  Expect();
}

void VmHealer::Expect() {
  if (unanswered_ == 0 && queue_.empty()) return answer_timer_.Cancel();
  answer_timer_.Start(patience_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->NothingHeard();
  });
}

void VmHealer::NothingHeard() {
  queue_.clear();
  unanswered_ = 0;
  std::vector<PageRow> given_up;
  for (auto it = orders_.begin(); it != orders_.end();) {
    Order& order = it->second;
    const bool queued = order.phase == Phase::kQueued;
    if (queued || order.phase == Phase::kSent) given_up.push_back(order.page);
    if (order.phase == Phase::kSent) order.phase = Phase::kLate;
    it = queued ? orders_.erase(it) : std::next(it);
  }
  for (const PageRow& page : given_up) Refuse(page, kNoAnswer);
}

bool VmHealer::Answered(const vmm::HealAnswer& answer) {
  const auto found = orders_.find(answer.id);
  if (found == orders_.end() || found->second.phase == Phase::kQueued) return false;
  Order& order = found->second;
  if (answer.result == vmm::HealResult::kStanding &&
      (order.phase == Phase::kStanding || context_.config.heal != config::HealMode::kAtReset))
    return false;
  if (order.phase == Phase::kSent) --unanswered_;
  if (answer.result == vmm::HealResult::kStanding) {
    order.phase = Phase::kStanding;
    Pump();
    return true;
  }
  const Order done = std::move(order);
  orders_.erase(found);
  if (answer.result == vmm::HealResult::kReplaced) {
    Conclude(done);
  } else if (done.phase != Phase::kLate) {  // that one was refused already
    Refuse(done.page, vmm::ToString(answer.result));
  }
  Pump();
  return true;
}

void VmHealer::Conclude(const Order& order) {
  concluding_.insert(order.page.id);
  context_.ledger.Write<bool>(
      [order, &memory = context_.memory](ledger::Ledger&) -> Result<bool> {
        return memory.IsReplaced(order.vmm, *order.page.host_address, *order.page.host_frame);
      },
      [weak = weak_from_this(), page = order.page](const Result<bool>& replaced) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        if (!replaced || !*replaced) return self->Refuse(page, kNotReplaced);
        self->context_.retirer.RetireReplaced(page.id, [weak, page](bool) {
          // A host that will not retire the frame does not get it back before the VM ends.
          if (const auto still = weak.lock()) still->RecordHealed(page);
        });
      });
}

void VmHealer::RecordHealed(const PageRow& page) {
  context_.ledger.Write<PageRow>(
      [id = page.id](ledger::Ledger& l) { return l.RecordHeal(id, HealState::kHealed, ""); },
      [weak = weak_from_this(), id = page.id](const Result<PageRow>& row) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        self->concluding_.erase(id);
        if (!row) return;
        ++self->healed_;
        self->log_.Info("healed",
                        {{"vm", row->vm.name},
                         {"gpa", FormatAddress(row->range.start().value)},
                         {"host_retired", std::string(ledger::ToString(row->host_retired))}});
        self->edges_.ended(*row);
      });
}

void VmHealer::Refuse(const PageRow& page, std::string_view reason) {
  concluding_.erase(page.id);
  ++refusals_[std::string(reason)];
  log_.Warning("not_healed", {{"vm", page.vm.name},
                              {"gpa", FormatAddress(page.range.start().value)},
                              {"reason", std::string(reason)}});
  context_.ledger.Write<PageRow>(
      [id = page.id, reason = std::string(reason)](ledger::Ledger& l) {
        return l.RecordHeal(id, HealState::kRefused, reason);
      },
      [weak = weak_from_this()](const Result<PageRow>& row) {
        const auto self = weak.lock();
        if (self != nullptr && row) self->edges_.ended(*row);
      });
}

void VmHealer::Stop() {
  orders_.clear();
  concluding_.clear();
  queue_.clear();
  unanswered_ = 0;
  answer_timer_.Cancel();
}

}  // namespace seaward
