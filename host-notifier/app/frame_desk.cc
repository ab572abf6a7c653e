#include "host-notifier/app/frame_desk.h"

#include <unistd.h>

#include <utility>

#include "host-notifier/classify/classify.h"

namespace seaward {
namespace {

constexpr std::chrono::seconds kBeforeRetry{1};

std::string Hex(PageFrame frame) {
  return FormatAddress(frame.number);
}

// The host's page: it goes bad as a whole.
ByteRange RangeOfFrame(GuestPhysAddr guest) {
  static const auto kBytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return ByteRange::Granule(guest).AlignedTo(kBytes);
}

Error Nobody(PageFrame frame) {
  return Error{ErrorCode::kInvalid, 0, "no VM that runs has frame " + Hex(frame)};
}

}  // namespace

// What comes together of one search.
struct FrameDesk::Gathering {
  PageFrame frame;
  observe::FrameReport report;
  std::size_t open = 0;  // sightings that are under way
  bool complete = true;
  std::optional<Error> failed;  // of the last one that was not recorded
};

void FrameDesk::Report(PageFrame frame, protocol::Evidence evidence, Done done) {
  Take(frame, {evidence, Source::kReport, {std::move(done)}});
}

void FrameDesk::HostKernelSaid(const FrameFailure& failure) {
  parts_.log.Info("host_kernel_error",
                  {{"frame", Hex(failure.frame)},
                   {"result", failure.result.empty() ? "unknown" : failure.result}});
  Take(failure.frame, {protocol::Evidence::kLatent, Source::kHostKernel, {}});
}

void FrameDesk::HostKernelLost(std::uint64_t events) {
  counts_.lost += events;
  parts_.log.Error("host_kernel_errors_lost",
                   {{"count", std::to_string(events)}, {"effect", "bad pages may be unknown"}});
}

void FrameDesk::Take(PageFrame frame, Work work) {
  ForgetOld();
  if (parts_.retired.Contains(frame)) {
    ++counts_.echoes;
    for (const Done& done : work.waiting)
      done(observe::FrameReport{.frame = frame, .retired = true, .pages = {}, .placeless = {}});
    return;
  }
  if (const auto told = told_.find(frame); told != told_.end()) {
    ++counts_.repeats;
    for (const Done& done : work.waiting) done(told->second.report);
    return;
  }
  if (const auto at_work = works_.find(frame); at_work != works_.end()) {
    ++counts_.repeats;
    auto& waiting = at_work->second.waiting;
    waiting.insert(waiting.end(), work.waiting.begin(), work.waiting.end());
    return;
  }
  if (works_.size() >= kMostAtATime) {
    ++counts_.dropped;
    parts_.log.Error("frame_dropped", {{"frame", Hex(frame)}, {"why", "too many at a time"}});
    for (const Done& done : work.waiting)
      done(Fail(ErrorCode::kLimit, "too many frames are looked for already"));
    return;
  }
  works_.emplace(frame, std::move(work));
  Look(frame);
}

void FrameDesk::Look(PageFrame frame) {
  std::vector<FrameSearcher::Candidate> among;
  for (const auto& [uuid, vm] : parts_.vms)
    if (vm->process()) among.push_back({uuid, *vm->process()});
  searcher_.Search(frame, std::move(among), [weak = weak_from_this(), frame](const auto& answer) {
    if (const auto self = weak.lock()) self->Searched(frame, answer);
  });
}

void FrameDesk::Searched(PageFrame frame, const FrameSearcher::Answer& answer) {
  const auto gathering = std::make_shared<Gathering>();
  gathering->frame = gathering->report.frame = frame;
  gathering->complete = answer.complete;
  std::vector<Sighting> sightings;
  for (const FrameSearcher::Found& found : answer.found) {
    const auto vm = parts_.vms.find(found.vm);
    // Its memory went while it was searched.
    if (vm == parts_.vms.end() || vm->second->process() != found.process) continue;
    for (const HostVirtAddr address : found.addresses) sightings.push_back({vm->second, address});
  }
  gathering->open = sightings.size();
  if (sightings.empty()) return Finish(gathering);
  for (const Sighting& sighting : sightings) Locate(gathering, sighting);
}

void FrameDesk::Locate(const std::shared_ptr<Gathering>& gathering, const Sighting& sighting) {
  sighting.vm->AskPlace(sighting.address, [weak = weak_from_this(), gathering,
                                           sighting](std::optional<GuestPhysAddr> guest) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (!guest || guest->value > kTopGuestPhysAddr)
      return self->LocateByRecord(gathering, sighting);
    self->Record(gathering, sighting, RangeOfFrame(*guest));
  });
}

// A VMM that tells nothing: a page on record may have this very frame.
void FrameDesk::LocateByRecord(const std::shared_ptr<Gathering>& gathering,
                               const Sighting& sighting) {
  if (!sighting.vm->incarnation()) return Record(gathering, sighting, std::nullopt);
  parts_.ledger.Read<std::optional<ByteRange>>(
      [incarnation = *sighting.vm->incarnation(), frame = gathering->frame](ledger::Ledger& l) {
        return l.View().RangeOnFrame(incarnation, frame);
      },
      [weak = weak_from_this(), gathering, sighting](Result<std::optional<ByteRange>> range) {
        const auto self = weak.lock();
        if (self != nullptr) self->Record(gathering, sighting, range ? *range : std::nullopt);
      });
}

void FrameDesk::Record(const std::shared_ptr<Gathering>& gathering, const Sighting& sighting,
                       std::optional<ByteRange> range) {
  const auto work = works_.find(gathering->frame);
  if (work == works_.end()) return;
  if (!range && CanWait(work->second) && !sighting.vm->attached()) {
    gathering->failed =
        Error{ErrorCode::kBusy, 0, sighting.vm->identity().name + " is not attached"};
    return Closed(gathering);
  }
  const MonoTime now = parts_.clock.Now();
  PoisonEvent event =
      range ? ClassifyReport(*range, work->second.evidence, now, parts_.clock.WallNow())
            : ClassifyPlaceless(work->second.evidence, now, parts_.clock.WallNow());
  event.source = work->second.source;
  event.hva = sighting.address;
  event.frame = gathering->frame;
  told_of_vm_.insert_or_assign(sighting.vm->identity().uuid, now);
  sighting.vm->Report(event, [weak = weak_from_this(), gathering, vm = sighting.vm->identity()](
                                 const Result<ledger::RecordedEvent>& recorded) {
    if (!recorded) {
      gathering->failed = recorded.error();
    } else if (recorded->entry) {
      gathering->report.pages.push_back({vm, *recorded->entry, recorded->is_new});
    } else {
      gathering->report.placeless.push_back(vm);
    }
    if (const auto self = weak.lock()) self->Closed(gathering);
  });
}

void FrameDesk::Closed(const std::shared_ptr<Gathering>& gathering) {
  if (--gathering->open == 0) Finish(gathering);
}

void FrameDesk::Finish(const std::shared_ptr<Gathering>& gathering) {
  const observe::FrameReport& report = gathering->report;
  if (!report.pages.empty() || !report.placeless.empty()) {
    ++(report.pages.empty() ? counts_.placeless : counts_.located);
    told_.insert_or_assign(gathering->frame, Told{parts_.clock.Now(), report});
    return End(gathering->frame, report);
  }
  Error why = gathering->failed.value_or(Nobody(gathering->frame));
  if (!gathering->failed && !gathering->complete)
    why = Error{ErrorCode::kTimeout, 0,
                "the search for frame " + Hex(gathering->frame) + " was given up before its end"};
  if (TryAgain(gathering->frame, why)) return;
  ++(gathering->failed || !gathering->complete ? counts_.dropped : counts_.of_no_vm);
  if (gathering->failed || !gathering->complete)
    parts_.log.Error("frame_dropped", {{"frame", Hex(gathering->frame)}, {"why", why.Text()}});
  End(gathering->frame, tl::unexpected<Error>(why));
}

void FrameDesk::End(PageFrame frame, Result<observe::FrameReport> result) {
  const auto work = works_.extract(frame);
  if (work.empty()) return;
  for (const Done& done : work.mapped().waiting) done(result);
}

// What the kernel said is not said again. Whoever asks over the control socket is told at once.
bool FrameDesk::CanWait(const Work& work) const {
  return work.source == Source::kHostKernel && parts_.clock.Now() < started_ + kUntilVmsAreKnown;
}

// VMs and their VMMs that are not there yet, and the end of a drain.
bool FrameDesk::TryAgain(PageFrame frame, const Error& why) {
  const auto work = works_.find(frame);
  if (work == works_.end() || work->second.source != Source::kHostKernel) return false;
  if (why.code != ErrorCode::kBusy && !CanWait(work->second)) return false;
  for (const Done& done : std::exchange(work->second.waiting, {})) done(tl::unexpected<Error>(why));
  to_retry_.push_back(frame);
  if (to_retry_.size() == 1) retry_.Start(kBeforeRetry, [this] { Retry(); });
  return true;
}

void FrameDesk::Retry() {
  for (const PageFrame frame : std::exchange(to_retry_, {})) Look(frame);
}

void FrameDesk::HypervisorSaid(const std::shared_ptr<Vm>& vm, const DomainMemoryFailure& failure) {
  const Uuid& uuid = vm->identity().uuid;
  const MonoTime now = parts_.clock.Now();
  const auto told = told_of_vm_.find(uuid);
  const auto retired = parts_.retired.LastOf(uuid);
  const bool echo = (told != told_of_vm_.end() && now - told->second < kSameNews) ||
                    (retired && now - *retired < kSameNews);
  parts_.log.Info("hypervisor_error", {{"vm", vm->identity().name},
                                       {"recipient", failure.recipient},
                                       {"action", failure.action},
                                       {"known", echo ? "yes" : "no"}});
  if (echo) {
    ++counts_.echoes;
    return;
  }
  PoisonEvent event = ClassifyPlaceless(protocol::Evidence::kLatent, now, parts_.clock.WallNow());
  event.source = Source::kHypervisor;
  vm->Report(event, [weak = weak_from_this(),
                     name = vm->identity().name](const Result<ledger::RecordedEvent>& recorded) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    ++(recorded ? self->counts_.placeless : self->counts_.dropped);
    if (!recorded)
      self->parts_.log.Error("hypervisor_error_dropped",
                             {{"vm", name}, {"why", recorded.error().Text()}});
  });
}

void FrameDesk::ForgetOld() {
  const MonoTime before = parts_.clock.Now() - kSameNews;
  std::erase_if(told_, [&](const auto& entry) { return entry.second.when < before; });
  std::erase_if(told_of_vm_, [&](const auto& entry) { return entry.second < before; });
}

}  // namespace seaward
