// The VM's attached rings: exits on their way to the ledger, and answers on their way back.
#include <algorithm>

#include "base/mutants.h"

#include "host-notifier/app/vm.h"

namespace seaward {

void Vm::OfferToRings() {
  // While nothing is taken nothing is answered.
  std::uint32_t what = paused_ ? 0 : vmm::kOffersVerdicts;
  if (context_.retirer.RetiresHeld(has_ghes_)) what |= vmm::kOffersHostPages;
  for (const auto& ring : rings_) ring->Offer(what);
}

void Vm::ResumeRings() {
  if (!incarnation_ || paused_) return;
  // A ring that ends inside Resume leaves rings_: walk over a copy of the addresses.
  std::vector<AttachedRing*> rings;
  for (const auto& ring : rings_) rings.push_back(ring.get());
  for (AttachedRing* ring : rings) {
    if (auto resumed = ring->Resume(); !resumed)
      log_.Error("ring_not_watched", {{"vm", identity_.name}, {"why", resumed.error().Text()}});
  }
}

AttachedRing* Vm::RingNumber(std::uint64_t number) {
  const auto found = std::ranges::find(rings_, number, [](const auto& r) { return r->number(); });
  return found == rings_.end() ? nullptr : found->get();
}

void Vm::RingEventTaken(AttachedRing& from, const ring::RingEvent& event) {
  if (Lives(Mutant::kReleaseEarly)) from.Release(event.token);
  const PoisonEvent poison = EventOfExit(event, context_.clock.WallNow());
  const HeldVcpus::Vcpu vcpu{from.number(), event.token};
  EventIntake::Delivered delivered;
  if (event.held) {
    held_.Begin(vcpu);
    if (!poison.range) AnswerHeldVcpu(vcpu, vmm::HeldFor::kNone);
    delivered = [weak = weak_from_this(), vcpu, range = poison.range](std::uint64_t page_id) {
      if (const auto self = weak.lock()) self->PageDelivered(vcpu, *range, page_id);
    };
  }
  intake_->Take(
      poison, from.process(),
      [weak = weak_from_this(), number = from.number(),
       event](const Result<ledger::RecordedEvent>& recorded) {
        if (const auto self = weak.lock()) self->ExitRecorded(number, event, recorded);
      },
      std::move(delivered));
  AfterSession();
}

// The vCPU waits a few milliseconds: what takes longer is not worth any of them.
void Vm::PageDelivered(const HeldVcpus::Vcpu& vcpu, const ByteRange& range, std::uint64_t page_id) {
  if (session_.HasFinalWord(page_id, range)) return AnswerHeldVcpu(vcpu, vmm::HeldFor::kVerdict);
  if (!session_stands()) return AnswerHeldVcpu(vcpu, vmm::HeldFor::kNone);
  held_.WaitFor(vcpu, range);
}

void Vm::AnswerHeldVcpu(const HeldVcpus::Vcpu& vcpu, vmm::HeldFor answer) {
  AttachedRing* ring = RingNumber(vcpu.ring);
  if (held_.End(vcpu) && ring != nullptr) ring->AnswerHeld(vcpu.token, answer);
}

void Vm::ExitRecorded(std::uint64_t ring, const ring::RingEvent& exit,
                      const Result<ledger::RecordedEvent>& recorded) {
  migration_->Recheck();
  if (AttachedRing* from = RingNumber(ring)) from->Release(exit.token);
  if (recorded && recorded->entry) healer_->PageWentBad(recorded->entry->id);
  if (exit.injection == vmm::Injection::kNative) AnswerHeldExit(ring, exit.token, recorded);
}

// A vCPU waits for every answer: "kept" at once is better than none.
void Vm::AnswerHeldExit(std::uint64_t ring, ring::RingToken token,
                        const Result<ledger::RecordedEvent>& recorded) {
  const auto answer = [weak = weak_from_this(), ring, token](bool retired) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (AttachedRing* held = self->RingNumber(ring))
      held->AnswerHostPage(token, retired ? vmm::HostPage::kRetired : vmm::HostPage::kKept);
  };
  if (!recorded || !recorded->entry || !context_.retirer.RetiresHeld(has_ghes_))
    return answer(false);
  context_.retirer.RetireHeld(recorded->entry->id, answer);
}

void Vm::RingLost(AttachedRing& from, std::uint64_t lost) {
  log_.Error("exits_lost", {{"vm", identity_.name},
                            {"pid", std::to_string(from.process().pid)},
                            {"lost", std::to_string(lost)},
                            {"effect", "bad pages may be unknown"}});
  migration_->Recheck();
  context_.observer.ExitsLost(identity_, lost);
}

void Vm::RingEnded(AttachedRing& from) {
  const ring::RingCounters counters = from.counters();
  log_.Info("vmm_detached", {{"vm", identity_.name},
                             {"pid", std::to_string(from.process().pid)},
                             {"records", std::to_string(counters.taken)},
                             {"lost", std::to_string(counters.lost)}});
  held_.RingEnded(from.number());
  std::erase_if(rings_, [&](const auto& ring) { return ring.get() == &from; });
  if (!rings_.empty()) return;
  places_.Stop();
  healer_->Stop();
  if (process_) ExpectAttach();
}

// The newest one: an older one is on its way out.
AttachedRing* Vm::HealingRing() {
  for (auto ring = rings_.rbegin(); ring != rings_.rend(); ++ring)
    if (!(*ring)->ended()) return ring->get();
  return nullptr;
}

VmHealer::Edges Vm::HealEdges() {
  VmHealer::Edges edges;
  edges.vmm = [this]() -> std::optional<VmHealer::AttachedVmm> {
    const AttachedRing* ring = HealingRing();
    if (ring == nullptr) return std::nullopt;
    return VmHealer::AttachedVmm{ring->process(), ring->TakesHealOrders()};
  };
  edges.send = [this](const vmm::HealOrder& order) {
    const AttachedRing* ring = HealingRing();
    return ring != nullptr && ring->SendHealOrder(order);
  };
  edges.ordered = [this](const ledger::PageRow& page) { context_.observer.PageChanged(page); };
  edges.ended = [this](const ledger::PageRow& page) { HealEnded(page); };
  return edges;
}

bool Vm::HealAnswered(AttachedRing& from, const vmm::HealAnswer& answer) {
  if (&from == HealingRing() && healer_->Answered(answer)) return true;
  log_.Warning("heal_answer_unasked",
               {{"vm", identity_.name}, {"pid", std::to_string(from.process().pid)}});
  return false;
}

bool Vm::PlaceAnswered(AttachedRing& from, const vmm::PlaceAnswer& answer) {
  if (places_.Answered(answer)) return true;
  log_.Warning("place_answer_unasked",
               {{"vm", identity_.name}, {"pid", std::to_string(from.process().pid)}});
  return false;
}

void Vm::HealEnded(const ledger::PageRow& page) {
  context_.observer.PageChanged(page);
  if (page.incarnation != incarnation_) return;
  if (page.heal == ledger::HealState::kRefused) {
    // What would have followed the verdict if nobody had tried; at_reset did not keep it back.
    if (context_.config.heal == config::HealMode::kWhenRetired)
      context_.retirer.VerdictRecorded(page, has_ghes_);
    return;
  }
  intake_->book().Forget(page.id);
  const ByteRange healed[] = {page.range};
  session_.Forget(healed);
  AfterSession();
  migration_->Recheck();
}

ring::RingCounters Vm::ring_counters() const {
  ring::RingCounters sum;
  for (const auto& ring : rings_) {
    const ring::RingCounters one = ring->counters();
    sum.taken += one.taken;
    sum.coalesced += one.coalesced;
    sum.lost += one.lost;
    sum.failed_injections += one.failed_injections;
    sum.native_fallbacks += one.native_fallbacks;
    sum.rests += one.rests;
    sum.holds_begun += one.holds_begun;
    sum.holds_answered += one.holds_answered;
    sum.holds_timed_out += one.holds_timed_out;
    sum.malformed += one.malformed;
  }
  return sum;
}

}  // namespace seaward
