#include "host-notifier/session/wanted_pages.h"

#include <algorithm>

#include "base/mutants.h"
#include "protocol/codec.h"

namespace seaward::session {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PoisonEntry;
using protocol::VerdictRecord;

namespace {

// A deferral that follows another sooner than this is no news: the ledger would be written to at
// the guest's pleasure.
constexpr std::chrono::seconds kShortestDeferral{1};

bool OutlivesBoot(const PoisonEntry& entry) {
  return entry.evidence != Evidence::kPredicted;
}

// Consumed and latent ask for the same; both are stronger than predicted.
bool Stronger(const PoisonEntry& a, const PoisonEntry& b) {
  return OutlivesBoot(a) && !OutlivesBoot(b);
}

std::optional<ByteRange> Intersection(const ByteRange& a, const ByteRange& b) {
  if (!a.Overlaps(b)) return std::nullopt;
  const std::uint64_t first = std::max(a.start().value, b.start().value);
  const std::uint64_t last = std::min(a.last(), b.last());
  const Result<ByteRange> both = ByteRange::Make(GuestPhysAddr{first}, last - first + 1);
  return both ? std::optional(*both) : std::nullopt;
}

bool Encloses(const ByteRange& outer, const ByteRange& inner) {
  return outer.start() <= inner.start() && inner.last() <= outer.last();
}

}  // namespace

Adding WantedPages::Add(const PoisonEntry& entry) {
  if (entry.id == 0 || !protocol::IsWireRange(entry.range)) return Adding::kRefused;
  const auto known = pages_.find(entry.id);
  const bool changes = known != pages_.end();
  if (changes) {
    const PoisonEntry& old = known->second.entry;
    if (entry.range == old.range && !Stronger(entry, old)) return Adding::kKnown;
    Drop(known);
    RebuildSet();
  } else if (pages_.size() >= limits_.max_entries) {
    return Adding::kRefused;
  }
  Page& page = pages_[entry.id];
  page.entry = entry;
  page.fresh = !entry.replay;
  ++unanswered_;
  ++queued_unanswered_;
  queue_.insert(QueueKey(page));
  if (OutlivesBoot(entry)) set_.Insert(entry.range);
  return changes ? Adding::kChanged : Adding::kNew;
}

void WantedPages::MarkAnswered(std::uint64_t id) {
  const auto page = pages_.find(id);
  if (page == pages_.end()) return;
  SetState(page->second, State::kAnswered);
  page->second.given = true;
  page->second.on_record = true;
  page->second.fresh = false;
}

void WantedPages::Forget(std::span<const ByteRange> ranges) {
  protocol::PageSet healed;
  for (const ByteRange& range : ranges) healed.Insert(range);
  for (auto page = pages_.begin(); page != pages_.end();) {
    const auto next = std::next(page);
    if (healed.Contains(page->second.entry.range)) Drop(page);
    page = next;
  }
  RebuildSet();
}

void WantedPages::Clear() {
  while (!pages_.empty()) Drop(pages_.begin());
  set_.Clear();
}

void WantedPages::NewBoot() {
  if (Lives(Mutant::kForgetReplay)) return;
  for (auto it = pages_.begin(); it != pages_.end();) {
    const auto next = std::next(it);
    Page& page = it->second;
    if (page.given && !OutlivesBoot(page.entry)) {
      Drop(it);
    } else {
      page.entry.replay = page.entry.replay || page.given;
      page.given = false;
      page.on_record = false;
      Reset(page);
    }
    it = next;
  }
}

void WantedPages::EndSession() {
  for (auto& [id, page] : pages_) {
    page.first_sequence = page.last_sequence = 0;
    if (page.state == State::kSent) SetState(page, State::kToSend);
  }
}

void WantedPages::SendAllAgain() {
  for (auto& [id, page] : pages_)
    if (OutlivesBoot(page.entry)) SetState(page, State::kToSend);
}

void WantedPages::SendUnsettledAgain() {
  for (auto& [id, page] : pages_)
    if (OutlivesBoot(page.entry) && page.state != State::kAnswered) SetState(page, State::kToSend);
}

protocol::PageSet WantedPages::Answered() const {
  protocol::PageSet answered;
  for (const auto& [id, page] : pages_)
    if (OutlivesBoot(page.entry) && page.state == State::kAnswered)
      answered.Insert(page.entry.range);
  return answered;
}

void WantedPages::Resend() {
  for (auto& [id, page] : pages_)
    if (page.state == State::kSent) SetState(page, State::kToSend);
}

bool WantedPages::ResendDeferred(MonoTime now) {
  bool any = false;
  while (!deferred_.empty() && deferred_.begin()->first <= now) {
    SetState(pages_.at(deferred_.begin()->second), State::kToSend);
    any = true;
  }
  return any;
}

std::optional<MonoTime> WantedPages::NextDeferral() const {
  if (deferred_.empty()) return std::nullopt;
  return deferred_.begin()->first;
}

std::vector<PoisonEntry> WantedPages::Next(std::size_t most) const {
  std::vector<PoisonEntry> entries;
  for (auto it = queue_.begin(); it != queue_.end() && entries.size() < most; ++it)
    entries.push_back(pages_.at(it->second).entry);
  return entries;
}

bool WantedPages::Sent(std::uint64_t id, std::uint32_t sequence) {
  const auto it = pages_.find(id);
  if (it == pages_.end()) return false;
  Page& page = it->second;
  const bool first = !page.given;
  SetState(page, State::kSent);
  page.given = true;
  page.fresh = false;
  if (page.first_sequence == 0) page.first_sequence = sequence;
  page.last_sequence = sequence;
  return first;
}

bool WantedPages::WasSent(std::uint64_t id) const {
  const auto page = pages_.find(id);
  return page != pages_.end() && page->second.state != State::kToSend;
}

bool WantedPages::WasGiven(std::uint64_t id, const ByteRange& page,
                           std::uint32_t guest_page_size) const {
  const auto it = pages_.find(id);
  if (it == pages_.end() || !(it->second.given || it->second.on_record)) return false;
  const ByteRange& range = it->second.entry.range;
  return Encloses(range.AlignedTo(guest_page_size), page) && page.Overlaps(range);
}

bool WantedPages::HasFinalWord(std::uint64_t id, const ByteRange& range) const {
  const auto it = pages_.find(id);
  if (it == pages_.end()) return false;
  const Page& page = it->second;
  return page.on_record || (page.verdicts.Covers(range) && !page.verdicts.AnyDeferred());
}

Judgement WantedPages::Judge(const VerdictRecord& record, std::uint32_t guest_page_size,
                             MonoTime now) {
  const auto it = pages_.find(record.id);
  if (it == pages_.end() || !it->second.given) return {Belief::kUnknownPage, std::nullopt};
  Page& page = it->second;
  // A guest with larger pages loses whole pages around the entry.
  if (!Encloses(page.entry.range.AlignedTo(guest_page_size), record.range) ||
      !record.range.Overlaps(page.entry.range))
    return {Belief::kForeignRange, std::nullopt};
  Judgement judgement;
  if (page.first_sequence != 0) judgement.proven_sequence = page.first_sequence;
  page.first_sequence = page.last_sequence;
  judgement.belief = Learn(page, record, now);
  return judgement;
}

Belief WantedPages::Learn(Page& page, const VerdictRecord& record, MonoTime now) {
  if (page.on_record) {
    SetState(page, State::kAnswered);
    return Belief::kRepeated;
  }
  // One record adds two pieces at most: itself, and the second half of a piece that it splits.
  if (pieces_ + 2 > limits_.max_verdict_pieces) return Belief::kTooManyPieces;
  const std::size_t before = page.verdicts.pieces();
  const std::optional<ByteRange> part = Intersection(record.range, page.entry.range);
  const Word word = part ? page.verdicts.Apply(*part, record.outcome) : Word::kRepeated;
  pieces_ = pieces_ - before + page.verdicts.pieces();
  if (word == Word::kContradiction) return Belief::kContradiction;

  const bool deferred = record.outcome == Outcome::kDeferred;
  Belief belief = word == Word::kNews ? Belief::kNews : Belief::kRepeated;
  if (deferred && now >= page.next_deferral_counts) belief = Belief::kNews;
  if (deferred && belief == Belief::kNews) {
    deferred_.erase({page.deferral_ends, page.entry.id});
    page.next_deferral_counts = now + kShortestDeferral;
    page.deferral_ends = now +
                         std::max<std::chrono::milliseconds>(record.next_try, kShortestDeferral) +
                         limits_.resend_max;
  }
  if (page.verdicts.Covers(page.entry.range))
    SetState(page, page.verdicts.AnyDeferred() ? State::kDeferred : State::kAnswered);
  return belief;
}

void WantedPages::SetState(Page& page, State state) {
  const std::uint64_t id = page.entry.id;
  const auto open = [](State s) { return s == State::kToSend || s == State::kSent; };
  unanswered_ -= open(page.state) ? 1 : 0;
  unanswered_ += open(state) ? 1 : 0;
  if (page.state == State::kToSend) {
    queue_.erase(QueueKey(page));
    --queued_unanswered_;
  }
  deferred_.erase({page.deferral_ends, id});
  page.state = state;
  if (state == State::kToSend) {
    queue_.insert(QueueKey(page));
    ++queued_unanswered_;
  }
  if (state == State::kDeferred) deferred_.insert({page.deferral_ends, id});
}

void WantedPages::Reset(Page& page) {
  pieces_ -= page.verdicts.pieces();
  page.verdicts = {};
  page.first_sequence = page.last_sequence = 0;
  page.next_deferral_counts = {};
  SetState(page, State::kToSend);
}

void WantedPages::Drop(Pages::iterator it) {
  Page& page = it->second;
  pieces_ -= page.verdicts.pieces();
  SetState(page, State::kAnswered);  // out of every queue and count
  pages_.erase(it);
}

// Entries may overlap: what another one still wants must stay when one goes.
void WantedPages::RebuildSet() {
  set_.Clear();
  for (const auto& [id, page] : pages_)
    if (OutlivesBoot(page.entry)) set_.Insert(page.entry.range);
}

}  // namespace seaward::session
