// The ledger's rows as JSON lines (docs/schemas/ledger-record.schema.json): one object a line, the
// first one a header. What was written reads back as it was; nothing else is accepted. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host-notifier/ledger/ledger_record.h"

namespace seaward::observe {

// Counts up when a reader of an older form would misunderstand.
inline constexpr int kRecordFormat = 1;
// The longest record: 1 KiB of text, escaped, and everything else.
inline constexpr std::size_t kMaxRecordBytes = 16384;

// {"type":"seaward_ledger","format":1,...}
std::string RecordHeaderLine();
// kInvalid: not the header of such a file. kUnsupported: of a later format.
Status ParseRecordHeader(std::string_view line);

// {"type":"end","records":N}: without it a file is not whole.
std::string RecordEndLine(std::uint64_t records);
// nullopt: another line.
std::optional<std::uint64_t> ParseRecordEnd(std::string_view line);

std::string RecordLine(const ledger::LedgerRecord& record);
// kInvalid with a text for the person. Values are of their field's type; whether they are good is
// CheckRecord's to say.
Result<ledger::LedgerRecord> ParseRecordLine(std::string_view line);

}  // namespace seaward::observe
