// What every VM's part of the notifier shares. All of it belongs to the loop's thread and outlives
// the VMs.
#pragma once

#include <boost/asio/io_context.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "host-notifier/app/domain_marker.h"
#include "host-notifier/app/host_memory.h"
#include "host-notifier/app/host_retirer.h"
#include "host-notifier/app/ledger_thread.h"
#include "host-notifier/app/page_ids.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/metrics/duration_histogram.h"

namespace seaward {

// Follows what becomes durable, for `seawardctl watch` and the policy.
class RecordObserver {
 public:
  virtual ~RecordObserver() = default;
  virtual void EventRecorded(const ledger::VmIdentity& vm, const PoisonEvent& event) = 0;
  virtual void PageChanged(const ledger::PageRow& page) = 0;
  virtual void AlarmChanged(const ledger::AlarmRow& alarm) = 0;
  // Not on record: known to the attached ring alone.
  virtual void ExitsLost(const ledger::VmIdentity& vm, std::uint64_t lost) = 0;
  // The VM's incarnation is known from here on.
  virtual void MemoryKnown(const ledger::VmIdentity& vm) = 0;
};

struct VmContext {
  boost::asio::io_context& loop;
  const Clock& clock;
  const Logger& log;
  LedgerThread& ledger;
  HostMemory& memory;
  PageIds& ids;
  HostRetirer& retirer;
  RecordObserver& observer;
  DomainMarker& marker;
  metrics::Measurements& measurements;
  const config::NotifierConfig& config;
};

}  // namespace seaward
