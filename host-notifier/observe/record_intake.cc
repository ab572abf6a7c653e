#include "host-notifier/observe/record_intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "host-notifier/observe/record_lines.h"

namespace seaward::observe {

void RecordIntake::Feed(std::string_view bytes) {
  while (!bytes.empty() && !hopeless_) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (!skipping_) rest_ += part.substr(0, kMaxRecordBytes + 1);
    skipping_ = rest_.size() > kMaxRecordBytes;
    if (end == std::string_view::npos) return;
    Line(rest_);
    rest_.clear();
    skipping_ = false;
    bytes.remove_prefix(end + 1);
  }
}

void RecordIntake::End() {
  if (!rest_.empty() && !hopeless_) Line(rest_);
  rest_.clear();
  if (!hopeless_ && !ended_)
    Refuse(result_.lines + 1, "the end is missing: what came after it is lost");
}

void RecordIntake::Line(std::string_view line) {
  const std::uint64_t number = ++result_.lines;
  if (number == 1) {
    const auto header = ParseRecordHeader(line);
    if (header) return;
    hopeless_ = true;
    return Refuse(number, header.error().context);
  }
  if (ended_) return Refuse(number, "stands behind the end");
  if (const auto records = ParseRecordEnd(line)) {
    ended_ = true;
    if (*records != records_)
      Refuse(number, fmt::format("the end tells of {} records; {} came", *records, records_));
    return;
  }
  ++records_;
  auto record = ParseRecordLine(line);
  if (!record) return Refuse(number, record.error().context);
  waiting_.push_back({number, std::move(*record)});
}

void RecordIntake::Refuse(std::uint64_t line, std::string text) {
  ++result_.refused;
  if (result_.errors.size() < kMostErrors) result_.errors.push_back({line, std::move(text)});
}

std::vector<ledger::LedgerRecord> RecordIntake::TakeBatch() {
  const std::size_t count = std::min(waiting_.size(), kBatch);
  std::vector<ledger::LedgerRecord> records;
  asked_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    asked_.push_back(waiting_[i].line);
    records.push_back(std::move(waiting_[i].record));
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  return records;
}

void RecordIntake::Answer(const std::vector<ledger::ImportedRecord>& outcomes) {
  for (std::size_t i = 0; i < outcomes.size() && i < asked_.size(); ++i) {
    switch (outcomes[i].outcome) {
      case ledger::ImportOutcome::kAdded:
        ++result_.added;
        break;
      case ledger::ImportOutcome::kKnown:
        ++result_.known;
        break;
      case ledger::ImportOutcome::kRefused:
        Refuse(asked_[i], outcomes[i].why);
        break;
    }
  }
  asked_.clear();
}

}  // namespace seaward::observe
