// From one thing the host learned to a frame in the guest's channel and, beside it, a row in the
// ledger. The frame does not wait for the disk; the source of the event is told when the disk has
// it, and keeps it until then.
//
// Thread: the loop's.
#pragma once

#include <functional>
#include <memory>

#include "base/process_identity.h"
#include "host-notifier/app/page_book.h"
#include "host-notifier/app/vm_context.h"
#include "host-notifier/classify/poison_event.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/session/session.h"

namespace seaward {

PoisonEvent EventOfExit(const ring::RingEvent& exit, WallTime wall);

class EventIntake : public std::enable_shared_from_this<EventIntake> {
 public:
  using Recorded = std::function<void(const Result<ledger::RecordedEvent>&)>;
  // Named by the id of its page, which the guest has been told of, or knew.
  using Delivered = std::function<void(std::uint64_t page_id)>;

  // The references outlive the intake.
  EventIntake(const VmContext& context, ledger::VmIdentity vm, const Logger& log,
              session::Session& session)
      : context_(context), vm_(std::move(vm)), log_(log), session_(session) {}

  // What follows belongs to this incarnation.
  void UseIncarnation(const Uuid& incarnation) { incarnation_ = incarnation; }
  PageBook& book() { return book_; }

  // `source` is the process in which event.hva is an address. `recorded` is called when the event
  // is durable, or cannot ever be (kInvalid, kLimit); `delivered`, which may be empty, before that,
  // when the event is about a page.
  void Take(const PoisonEvent& event, const std::optional<ProcessIdentity>& source,
            Recorded recorded, Delivered delivered = {});

  // By location, for the status.
  struct Counts {
    std::uint64_t located = 0;
    std::uint64_t suspected = 0;
    std::uint64_t gva_only = 0;
    std::uint64_t unlocated = 0;
    std::uint64_t not_yet_recorded = 0;
    std::uint64_t unrecordable = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  void CountUnplaced(const PoisonEvent& event);
  // The id of the page that holds the range.
  std::uint64_t Deliver(const PoisonEvent& event, const ByteRange& range, std::uint64_t page_id);
  void Record(const PoisonEvent& event, const std::optional<ProcessIdentity>& source,
              std::optional<std::uint64_t> page_id, Recorded recorded);
  void Finish(const PoisonEvent& event, std::optional<std::uint64_t> page_id,
              const Result<ledger::RecordedEvent>& result);

  const VmContext& context_;
  const ledger::VmIdentity vm_;
  const Logger& log_;
  session::Session& session_;
  Uuid incarnation_;
  PageBook book_;
  Counts counts_;
};

}  // namespace seaward
