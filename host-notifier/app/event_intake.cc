#include "host-notifier/app/event_intake.h"

#include <utility>

#include "host-notifier/classify/classify.h"

namespace seaward {
namespace {

std::string Where(const PoisonEvent& event) {
  if (event.range) return FormatAddress(event.range->start().value);
  if (event.suspect) return FormatAddress(event.suspect->start().value);
  return "none";
}

std::string_view ToText(session::Delivery delivery) {
  switch (delivery) {
    case session::Delivery::kSent:
      return "sent";
    case session::Delivery::kQueued:
      return "queued";
    case session::Delivery::kKnown:
      return "known";
    case session::Delivery::kRefused:
      return "refused";
  }
  return "refused";
}

}  // namespace

PoisonEvent EventOfExit(const ring::RingEvent& exit, WallTime wall) {
  RawExit raw;
  raw.flags = exit.flags;
  raw.esr = exit.esr;
  raw.gva = exit.gva.value;
  raw.gpa = exit.gpa.value;
  raw.walked = exit.walked;
  raw.hva = exit.hva;
  raw.vcpu = exit.vcpu;
  raw.count = exit.count;
  raw.when = exit.when;
  raw.wall = wall;
  return ClassifyExit(raw);
}

void EventIntake::Take(const PoisonEvent& event, const std::optional<ProcessIdentity>& source,
                       Recorded recorded, Delivered delivered) {
  ++counts_.not_yet_recorded;
  if (!event.range) {
    CountUnplaced(event);
    return Record(event, source, std::nullopt, std::move(recorded));
  }
  ++counts_.located;
  context_.ids.WithId([weak = weak_from_this(), event, source, recorded = std::move(recorded),
                       delivered = std::move(delivered)](std::uint64_t id) mutable {
    const auto self = weak.lock();
    if (self == nullptr) return;
    const std::uint64_t page_id = self->Deliver(event, *event.range, id);
    self->Record(event, source, id, std::move(recorded));
    if (delivered) delivered(page_id);
  });
}

void EventIntake::CountUnplaced(const PoisonEvent& event) {
  switch (event.location) {
    case Location::kSuspected:
      ++counts_.suspected;
      break;
    case Location::kGvaOnly:
      ++counts_.gva_only;
      break;
    case Location::kLocated:
    case Location::kUnlocated:
      ++counts_.unlocated;
      break;
  }
  log_.Info("poison_not_located", {{"vm", vm_.name},
                                   {"location", std::string(ToString(event.location))},
                                   {"suspect", Where(event)},
                                   {"vcpu", std::to_string(event.vcpu)},
                                   {"esr", FormatAddress(event.esr)},
                                   {"gva", FormatAddress(event.raw_gva)},
                                   {"count", std::to_string(event.count)}});
}

std::uint64_t EventIntake::Deliver(const PoisonEvent& event, const ByteRange& range,
                                   std::uint64_t page_id) {
  const PageBook::Noted noted = book_.Note(range, event.evidence, page_id);
  std::string_view delivery = "known";
  if (noted.tell_guest) delivery = ToText(session_.Deliver(noted.entry));
  log_.Info("poison", {{"vm", vm_.name},
                       {"gpa", Where(event)},
                       {"evidence", std::string(protocol::ToString(event.evidence))},
                       {"source", std::string(ToString(event.source))},
                       {"vcpu", std::to_string(event.vcpu)},
                       {"esr", FormatAddress(event.esr)},
                       {"count", std::to_string(event.count)},
                       {"page", std::to_string(noted.entry.id)},
                       {"delivery", std::string(delivery)}});
  return noted.entry.id;
}

void EventIntake::Record(const PoisonEvent& event, const std::optional<ProcessIdentity>& source,
                         std::optional<std::uint64_t> page_id, Recorded recorded) {
  // Looked up once, as near to the exit as the loop's latency allows; retries must not see a later
  // owner of the address.
  const auto frame = std::make_shared<std::optional<std::optional<PageFrame>>>();
  context_.ledger.WriteTogether<ledger::RecordedEvent>(
      [incarnation = incarnation_, source, event, page_id, frame,
       &memory = context_.memory](ledger::Ledger& l) {
        if (!frame->has_value())
          frame->emplace(event.frame || !source ? event.frame
                                                : memory.FrameBehind(*source, event.hva));
        return l.RecordEvent(incarnation, event, **frame, page_id);
      },
      [weak = weak_from_this(), event, page_id,
       recorded = std::move(recorded)](const Result<ledger::RecordedEvent>& result) {
        if (const auto self = weak.lock()) self->Finish(event, page_id, result);
        recorded(result);
      });
}

void EventIntake::Finish(const PoisonEvent& event, std::optional<std::uint64_t> page_id,
                         const Result<ledger::RecordedEvent>& result) {
  --counts_.not_yet_recorded;
  if (!result) {
    ++counts_.unrecordable;
    log_.Error("event_not_recorded",
               {{"vm", vm_.name}, {"gpa", Where(event)}, {"why", result.error().Text()}});
    return;
  }
  if (result->limit_reached)
    log_.Warning("too_many_pages", {{"vm", vm_.name}, {"gpa", Where(event)}});
  if (result->entry && page_id && book_.Find(*page_id) && book_.Correct(*page_id, *result->entry))
    session_.Deliver(*result->entry);
  // A suspicion that the ledger found confirmed: from here on a page like any other.
  if (result->entry && event.suspect) Deliver(event, result->entry->range, result->entry->id);
  context_.observer.EventRecorded(vm_, event);
}

}  // namespace seaward
