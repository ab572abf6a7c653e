// Bad frames of host memory, as operators, tools and the host's kernel name them: which VM has it,
// where in the guest, and then the way of every other error. Also what libvirt says without a
// place.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "host-notifier/app/frame_searcher.h"
#include "host-notifier/app/retired_frames.h"
#include "host-notifier/app/vm.h"
#include "host-notifier/hosttrace/trace_text.h"
#include "host-notifier/libvirt/domain_watch.h"
#include "host-notifier/loop/loop_timer.h"
#include "host-notifier/observe/snapshot.h"

namespace seaward {

class FrameDesk : public std::enable_shared_from_this<FrameDesk> {
 public:
  using Vms = std::map<Uuid, std::shared_ptr<Vm>>;
  using Done = std::function<void(Result<observe::FrameReport>)>;
  struct Parts {
    boost::asio::io_context& loop;
    const Clock& clock;
    const Logger& log;
    LedgerThread& ledger;
    HostMemory& memory;
    const RetiredFrames& retired;
    const Vms& vms;
  };
  // Frames that are looked for at a time. A DIMM that dies brings more; they are counted.
  static constexpr std::size_t kMostAtATime = 256;
  // What comes again of one frame within it is the same news by another way (rasdaemon, QEMU).
  static constexpr std::chrono::seconds kSameNews{10};
  // After its start the notifier does not know its VMs yet, and their VMMs are not attached.
  static constexpr std::chrono::seconds kUntilVmsAreKnown{30};

  // All parts outlive it.
  explicit FrameDesk(const Parts& parts)
      : parts_(parts),
        started_(parts.clock.Now()),
        searcher_(parts.loop, parts.memory, parts.clock),
        retry_(parts.loop) {}

  // From an operator or a tool. Errors: kInvalid: no VM has it; kTimeout: the search was given up;
  // kLimit: too many at a time; and those of Vm::Report.
  void Report(PageFrame frame, protocol::Evidence evidence, Done done);
  // The host's kernel met an error by itself, and took the frame away or could not.
  void HostKernelSaid(const FrameFailure& failure);
  void HostKernelLost(std::uint64_t events);
  // libvirt tells of an error that the hypervisor met, without a place.
  void HypervisorSaid(const std::shared_ptr<Vm>& vm, const DomainMemoryFailure& failure);

  const observe::FrameCounts& counts() const { return counts_; }

 private:
  struct Work {
    protocol::Evidence evidence = protocol::Evidence::kLatent;
    Source source = Source::kReport;
    std::vector<Done> waiting;
  };
  struct Told {
    MonoTime when;
    observe::FrameReport report;
  };
  // One place at which one VM has the frame.
  struct Sighting {
    std::shared_ptr<Vm> vm;
    HostVirtAddr address;
  };
  struct Gathering;

  void Take(PageFrame frame, Work work);
  void Look(PageFrame frame);
  void Searched(PageFrame frame, const FrameSearcher::Answer& answer);
  void Locate(const std::shared_ptr<Gathering>& gathering, const Sighting& sighting);
  void LocateByRecord(const std::shared_ptr<Gathering>& gathering, const Sighting& sighting);
  void Record(const std::shared_ptr<Gathering>& gathering, const Sighting& sighting,
              std::optional<ByteRange> range);
  // One sighting is through.
  void Closed(const std::shared_ptr<Gathering>& gathering);
  void Finish(const std::shared_ptr<Gathering>& gathering);
  // More may be known soon of what it asks for.
  bool CanWait(const Work& work) const;
  void End(PageFrame frame, Result<observe::FrameReport> result);
  bool TryAgain(PageFrame frame, const Error& why);
  void Retry();
  void ForgetOld();

  const Parts parts_;
  const MonoTime started_;
  FrameSearcher searcher_;
  LoopTimer retry_;
  std::map<PageFrame, Work> works_;
  std::vector<PageFrame> to_retry_;
  std::map<PageFrame, Told> told_;
  std::map<Uuid, MonoTime> told_of_vm_;
  observe::FrameCounts counts_;
};

}  // namespace seaward
