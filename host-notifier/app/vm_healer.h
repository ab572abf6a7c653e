// Has the bad pages of one VM replaced by its VMM, when the operator's mode says so, and clears
// them once the kernel agrees that they are good. The VMM's word begins the check and proves
// nothing: what counts is the host's page table of the VMM.
//
//   ordered -> the VMM puts a fresh page there and keeps the bad frame
//           -> pagemap shows another frame, or none
//           -> the bad frame is retired in the host
//           -> the page is cleared
//
// A refusal anywhere leaves the page as it was, with the reason; it is tried again when a VMM
// attaches and when the guest boots or answers anew.
//
// At these occasions, in every mode, it also finds the pages that somebody else replaced: a VMM
// that mapped other memory, a balloon that went and came, QEMU at a reset, the host's kernel that
// moved the content. They go the same way from the third step on.
//
// Thread: the loop's. Held by shared_ptr: answers of the ledger may come after its owner let go.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/process_identity.h"
#include "host-notifier/app/vm_context.h"
#include "host-notifier/loop/loop_timer.h"
#include "host-notifier/vmm/heal_message.h"

namespace seaward {

// By reason; every reason has its count from the start.
using HealRefusals = std::map<std::string, std::uint64_t>;

class VmHealer : public std::enable_shared_from_this<VmHealer> {
 public:
  // For one answer. A VMM with terabytes of guest memory may take seconds for one look at its own
  // page tables.
  static constexpr std::chrono::seconds kPatience{30};

  struct AttachedVmm {
    ProcessIdentity process;
    bool takes_orders = false;
  };
  struct Edges {
    std::function<std::optional<AttachedVmm>()> vmm;
    // False: it cannot be told now.
    std::function<bool(const vmm::HealOrder&)> send;
    // The page as it is now: healed, or refused.
    std::function<void(const ledger::PageRow&)> ended;
    // The page as it is now: ordered.
    std::function<void(const ledger::PageRow&)> ordered;
  };

  // The references, and what the edges stand on, outlive it.
  VmHealer(const VmContext& context, const Logger& log, Edges edges,
           std::chrono::nanoseconds patience = kPatience);

  // A page of the ledger has one more event.
  void PageWentBad(std::uint64_t page);
  // The guest answered for this page. True: what follows for it follows from Edges::ended.
  bool TakesOver(const ledger::PageRow& page);
  // A VMM attached, or the guest was reset, or boots: what was not done before may be done now.
  void CatchUp(const Uuid& incarnation);
  // False: nobody asked for that.
  bool Answered(const vmm::HealAnswer& answer);
  // The VMM is gone, and its orders with it.
  void Stop();

  std::uint64_t healed() const { return healed_; }
  const HealRefusals& refusals() const { return refusals_; }

 private:
  enum class Phase { kQueued, kSent, kStanding, kLate };
  struct Order {
    ledger::PageRow page;
    ProcessIdentity vmm;
    Phase phase = Phase::kQueued;
  };
  struct Candidate {
    ledger::PageRow page;
    bool replaced = false;  // by an order whose answer was lost, or by somebody else
  };

  bool IsDue(const ledger::PageRow& page) const;
  void Begin(const ledger::PageRow& page);
  void Resume(const Candidate& candidate);
  void Pump();
  void Expect();
  void NothingHeard();
  void Conclude(const Order& order);
  void RecordHealed(const ledger::PageRow& page);
  void Refuse(const ledger::PageRow& page, std::string_view reason);

  const VmContext& context_;
  const Logger& log_;
  const Edges edges_;
  const std::chrono::nanoseconds patience_;
  LoopTimer answer_timer_;
  std::map<std::uint64_t, Order> orders_;  // by page
  std::set<std::uint64_t> concluding_;     // answered, on its way to the ledger
  std::deque<std::uint64_t> queue_;        // of those in kQueued
  std::size_t unanswered_ = 0;             // in kSent
  std::uint64_t healed_ = 0;
  HealRefusals refusals_;
};

}  // namespace seaward
