// Keeps the word on one VM's migration up to date: reads the ledger when something may have
// changed, tells its owner, and keeps the mark in the domain's metadata equal to it.
//
// Thread: the loop's. Held by shared_ptr: answers may come after its owner let go.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/log.h"
#include "host-notifier/app/domain_marker.h"
#include "host-notifier/app/ledger_thread.h"
#include "host-notifier/app/migration_judgement.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward {

class MigrationWatch : public std::enable_shared_from_this<MigrationWatch> {
 public:
  // What only the live VM knows.
  using LiveFacts = std::function<MigrationFacts()>;
  using Changed = std::function<void(const observe::MigrationState&)>;
  struct Parts {
    boost::asio::io_context& loop;
    LedgerThread& ledger;
    const Logger& log;
    DomainMarker* marker;  // null: not a domain of libvirt's
  };

  // The references outlive the watch; `live` and `changed` are not called after Stop.
  MigrationWatch(const Parts& parts, ledger::VmIdentity vm, LiveFacts live, Changed changed);

  void Begin(const Uuid& incarnation);
  // An event, a verdict, a loss: the word may be another now.
  void Recheck();
  // The domain was seen again: libvirt may have been out of reach when the mark was due.
  void RetryMark();
  // The VM ended: nothing is left to migrate.
  void Stop();

  // From the ledger as it is now, for somebody who decides by it.
  void Judge(std::function<void(Result<observe::MigrationState>)> done);
  const observe::MigrationState& state() const { return state_; }

 private:
  void Read();
  void Take(const observe::MigrationState& state);
  void WriteMark();
  void MarkWritten(const Uuid& incarnation, const DomainMark& mark, const Status& done);

  const Parts parts_;
  const ledger::VmIdentity vm_;
  const LiveFacts live_;
  const Changed changed_;
  LoopTimer pause_;
  std::optional<Uuid> incarnation_;
  observe::MigrationState state_;
  bool pausing_ = false;
  bool reading_ = false;
  bool again_ = false;
  bool marking_ = false;
  std::optional<DomainMark> marked_;  // what the metadata says
};

}  // namespace seaward
