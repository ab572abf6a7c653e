// What operators do to the ledger through the control socket, as values.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "host-notifier/ledger/ledger_import.h"
#include "host-notifier/ledger/ledger_rows.h"

namespace seaward::observe {

// Who asks, by the kernel's word.
struct Peer {
  uid_t uid = 0;
  pid_t pid = 0;
};

struct ClearResult {
  ledger::VmIdentity vm;
  std::vector<ledger::PageRow> pages;  // as they are now
};

struct ReplayResult {
  ledger::VmIdentity vm;
  std::uint64_t pages = 0;
  bool sent = false;  // false: no session stands, so they go with the next one
};

struct DrainResult {
  bool drained = false;
  std::chrono::milliseconds waited{0};
  std::uint64_t unrecorded_events = 0;
  std::uint64_t waiting_writes = 0;
  std::uint64_t unanswered_pages = 0;   // of guests that are there
  std::vector<std::string> silent_vms;  // owe verdicts, and have no session to send them by
  std::chrono::seconds resumes_in{0};   // unless told before; 0: it goes on now
};

struct AuditSnapshot {
  std::vector<ledger::AuditRow> rows;
};

// What became of an import.
struct ImportError {
  std::uint64_t line = 0;
  std::string text;
};
struct ImportResult {
  std::uint64_t lines = 0;
  std::uint64_t added = 0;
  std::uint64_t known = 0;
  std::uint64_t refused = 0;
  std::vector<ImportError> errors;  // the first ones
};

// An export under way. One Next at a time.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // Empty: that was all.
  virtual void Next(std::function<void(Result<std::vector<ledger::LedgerRecord>>)> done) = 0;
};

// An import under way. One call at a time; an entry of the answer for each record.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void Take(std::vector<ledger::LedgerRecord> records,
                    std::function<void(Result<std::vector<ledger::ImportedRecord>>)> done) = 0;
  virtual void Finish(const ImportResult& result, std::function<void(Status)> done) = 0;
};

}  // namespace seaward::observe
