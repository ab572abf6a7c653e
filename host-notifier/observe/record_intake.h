// Lines of an import on their way to the ledger: cut, numbered, parsed, gathered into batches. A
// bad line is named and holds up no other. Pure; bounded whatever the client sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host-notifier/observe/upkeep.h"

namespace seaward::observe {

class RecordIntake {
 public:
  // Of one commit: events wait behind it.
  static constexpr std::size_t kBatch = 256;
  static constexpr std::size_t kMostErrors = 1000;

  void Feed(std::string_view bytes);
  // The client has said all: a last line without its end is one.
  void End();

  // The records that wait, at most kBatch; Answer must come before the next batch is taken.
  std::vector<ledger::LedgerRecord> TakeBatch();
  void Answer(const std::vector<ledger::ImportedRecord>& outcomes);
  // Enough waits: the client is to be read again after a batch.
  bool full() const { return waiting_.size() >= kBatch; }

  // Nothing can be made of it: the header is wrong.
  bool hopeless() const { return hopeless_; }
  const ImportResult& result() const { return result_; }

 private:
  struct Waiting {
    std::uint64_t line;
    ledger::LedgerRecord record;
  };
  void Line(std::string_view line);
  void Refuse(std::uint64_t line, std::string text);

  std::string rest_;       // of a line that is not complete
  bool skipping_ = false;  // the rest of a line that was too long
  bool hopeless_ = false;
  bool ended_ = false;  // the footer was read
  std::vector<Waiting> waiting_;
  std::vector<std::uint64_t> asked_;  // the lines of the batch at hand
  std::uint64_t records_ = 0;
  ImportResult result_;
};

}  // namespace seaward::observe
