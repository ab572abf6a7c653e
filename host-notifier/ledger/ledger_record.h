// The ledger's rows as they travel between ledgers: which columns, by which name, and what may
// stand in each. One table says it for the writer, the reader and the documents' test.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

// In the order in which they travel: a record names only what came before it. Alarms do not travel:
// they are raised anew by what is.
enum class RecordKind { kVm, kIncarnation, kPage, kVerdict, kEvent, kLoss, kAudit };
inline constexpr RecordKind kAllRecordKinds[] = {
    RecordKind::kVm,    RecordKind::kIncarnation, RecordKind::kPage, RecordKind::kVerdict,
    RecordKind::kEvent, RecordKind::kLoss,        RecordKind::kAudit};
std::string_view ToString(RecordKind kind);

enum class FieldType {
  kNumber,   // from `least` to `most`
  kPattern,  // 64 bits: an address, a register
  kText,     // at most `most` bytes
  kUuid,
  kWord,  // one of `words`
};

struct Field {
  std::string_view key;     // outside; a time or size says its unit
  std::string_view column;  // inside
  FieldType type = FieldType::kNumber;
  bool nullable = false;
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::span<const std::string_view> words = {};
  bool later = false;  // exports of before it lack it: null
};
std::span<const Field> FieldsOf(RecordKind kind);

// One row, its values in the order of FieldsOf; UUIDs in lower case.
struct LedgerRecord {
  RecordKind kind = RecordKind::kVm;
  std::vector<FieldValue> values;

  const FieldValue& At(std::string_view key) const;
  std::int64_t Number(std::string_view key) const { return std::get<std::int64_t>(At(key)); }
  const std::string& Text(std::string_view key) const { return std::get<std::string>(At(key)); }
  bool IsNull(std::string_view key) const {
    return std::holds_alternative<std::monostate>(At(key));
  }
};

// Whether every value is what its field allows; kInvalid names the key that is not.
Status CheckRecord(const LedgerRecord& record);

}  // namespace seaward::ledger
