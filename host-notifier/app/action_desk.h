// Does what was decided, when it is due: records each step before the next is taken, repeats what
// may be repeated, and takes up what an earlier notifier left.
//
// Thread: the loop's. Held by shared_ptr: answers may come after its owner let go.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "host-notifier/app/intervention.h"
#include "host-notifier/app/ledger_thread.h"
#include "host-notifier/app/notice_teller.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward {

class ActionDesk : public std::enable_shared_from_this<ActionDesk> {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    const Clock& clock;
    LedgerThread& ledger;
    const Logger& log;
    const policy::PolicyConfig& config;
    DomainHands& hands;
    std::string host;
    // libvirtd out of reach, a VM not known yet, a ledger with no room: none is over sooner. What
    // libvirt refused is tried again after five times as long.
    std::chrono::milliseconds pause{1000};
  };
  // Finished ones and those that were never begun, by action and state.
  using Counts = std::map<std::pair<std::string, std::string>, std::uint64_t>;

  // What `parts` refers to outlives it.
  explicit ActionDesk(const Parts& parts);

  // What the ledger has open; at the start, behind the writes that end what is gone.
  void Resume();
  // New rows.
  void Take(const std::vector<ledger::DecisionRow>& rows);

  const Counts& counts() const { return counts_; }
  std::size_t open() const { return jobs_.size(); }

 private:
  using Row = ledger::DecisionRow;
  struct Job {
    Job(boost::asio::io_context& loop, Row decided) : row(std::move(decided)), timer(loop) {}
    Row row;
    LoopTimer timer;
    bool left_over = false;  // under way when an earlier notifier died
  };

  void Open(const Row& row, bool left_over);
  // The next step of the job, now.
  void Step(std::uint64_t id);
  void StepAt(std::uint64_t id, std::chrono::nanoseconds wait);
  void Begin(Job& job);
  void BeginNotice(Job& job);
  void Judge(Job& job);
  void Tell(const Row& row);
  Intervention::Done Ended(std::uint64_t id);
  void Record(std::uint64_t id, policy::ActionEvent event, const ledger::AttemptNote& note);
  void Recorded(std::uint64_t id, policy::ActionEvent event, const ledger::AttemptNote& note,
                const Result<Row>& row);
  void Close(const Row& row);
  // The teller is done with it: another may have its place.
  void Told(std::uint64_t id);

  const Parts parts_;
  Intervention intervention_;
  NoticeTeller teller_;
  std::map<std::uint64_t, std::unique_ptr<Job>> jobs_;
  std::set<std::uint64_t> telling_;    // notices that are, or are about to be, under way
  std::deque<std::uint64_t> waiting_;  // notices for which there was no room
  Counts counts_;
};

}  // namespace seaward
