#include "host-notifier/ledger/ledger_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/uuid.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/stored_words.h"

namespace seaward::ledger {
namespace {

// The words of an enumeration, in its order.
template <class E, std::size_t n>
std::array<std::string_view, n> Words(const E (&all)[n]) {
  std::array<std::string_view, n> words;
  std::ranges::transform(all, words.begin(), [](E value) { return ToString(value); });
  return words;
}

const auto kEvidenceWords = Words(kAllEvidence);
const auto kLifeWords = Words(kAllPageLives);
const auto kHostRetiredWords = Words(kAllHostRetired);
const auto kOutcomeWords = Words(kAllOutcomes);
const auto kKindWords = Words(kAllPageKinds);
const auto kStageWords = Words(kAllStages);
const auto kLocatedByWords = Words(kAllLocatedBy);
const auto kHealWords = Words(kAllHealStates);
const auto kSourceWords = Words(kAllSources);
const auto kLocationWords = Words(kAllLocations);
const auto kAccessWords = Words(kAllAccesses);
const auto kSeverityWords = Words(kAllSeverities);
const auto kListResultWords = Words(kAllListResults);
const std::string_view kProtectorWords[] = {
    ToString(Protection::kBeforeKernel), ToString(Protection::kEarly), ToString(Protection::kRun)};
const auto kActionWords = Words(kAllOperatorActions);

constexpr std::int64_t kTop = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kTop16 = std::numeric_limits<std::uint16_t>::max();
constexpr std::int64_t kTop32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t kTopErrno = 4095;
constexpr std::int64_t kNameBytes = 255;
constexpr std::int64_t kTextBytes = 1024;

constexpr Field Number(std::string_view key, std::int64_t least = 0, std::int64_t most = kTop) {
  return {key, key, FieldType::kNumber, false, least, most, {}};
}
// Unix time; before 1970 the clock was wrong, not the world.
constexpr Field Time(std::string_view key, std::string_view column) {
  return {key, column, FieldType::kNumber, false, 0, kTop, {}};
}
constexpr Field Bytes() {
  return {"length_bytes", "length", FieldType::kNumber, false, 1, kMaxRangeBytes, {}};
}
// Reports of more than a page row holds are recorded as events only.
constexpr Field AnyBytes() {
  return {"length_bytes", "length", FieldType::kNumber, false, 1, kTop, {}};
}
constexpr Field Pattern(std::string_view key) {
  return {key, key, FieldType::kPattern, false, 0, kTop, {}};
}
constexpr Field Id(std::string_view key) {
  return {key, key, FieldType::kUuid, false, 0, kTop, {}};
}
constexpr Field Text(std::string_view key, std::int64_t most) {
  return {key, key, FieldType::kText, false, 0, most, {}};
}
Field Word(std::string_view key, std::span<const std::string_view> words,
           std::string_view column = "") {
  return {key, column.empty() ? key : column, FieldType::kWord, false, 0, kTop, words};
}
constexpr Field OrNull(Field field) {
  field.nullable = true;
  return field;
}
constexpr Field Later(Field field) {
  field.nullable = field.later = true;
  return field;
}

const Field kVmFields[] = {Id("uuid"), Text("name", kNameBytes), Number("events_pruned")};

const Field kIncarnationFields[] = {
    Id("id"),
    Id("vm"),
    Id("host_boot"),
    Number("pid", 1, std::numeric_limits<std::int32_t>::max()),
    {"start_ticks", "start_time", FieldType::kNumber, false, 0, kTop, {}},
    Time("began_unix_ns", "began_wall_ns"),
    OrNull(Time("ended_unix_ns", "ended_wall_ns")),
    OrNull(Id("boot")),
    Number("boots", 0, kTop32),
    Later(Word("list_result", kListResultWords)),
    Later(Number("list_boots", 0, kTop16)),
    Later(Number("listed_pages", 0, kTop32)),
    Later(Number("list_protected_pages", 0, kTop32))};

const Field kPageFields[] = {Number("id", 1),
                             Id("incarnation"),
                             Pattern("gpa"),
                             Bytes(),
                             Word("evidence", kEvidenceWords),
                             Word("life", kLifeWords),
                             Number("event_count"),
                             Number("first_mono_ns"),
                             Time("first_seen_unix_ns", "first_wall_ns"),
                             Time("last_seen_unix_ns", "last_wall_ns"),
                             Number("first_boots", 0, kTop32),
                             OrNull(Pattern("host_frame")),
                             Word("host_retired", kHostRetiredWords),
                             Number("host_errno", 0, kTopErrno),
                             OrNull(Word("outcome", kOutcomeWords)),
                             OrNull(Word("kind", kKindWords)),
                             OrNull(Word("stage", kStageWords)),
                             {"errno", "sys_errno", FieldType::kNumber, false, 0, kTopErrno, {}},
                             OrNull(Number("exposure_ns")),
                             Word("located_by", kLocatedByWords),
                             OrNull(Pattern("host_address")),
                             Word("heal", kHealWords),
                             Text("heal_reason", kTextBytes),
                             OrNull(Time("ended_unix_ns", "ended_wall_ns")),
                             Later(Word("protected_by", kProtectorWords))};

const Field kVerdictFields[] = {Number("page", 1),
                                Number("boots", 0, kTop32),
                                Id("boot"),
                                Pattern("gpa"),
                                Bytes(),
                                Word("outcome", kOutcomeWords),
                                Word("kind", kKindWords),
                                Word("stage", kStageWords),
                                {"errno", "sys_errno", FieldType::kNumber, false, 0, kTopErrno, {}},
                                Number("duration_ns"),
                                Number("received_mono_ns"),
                                Time("received_unix_ns", "received_wall_ns"),
                                Number("times", 1)};

const Field kEventFields[] = {Number("id", 1),
                              Id("incarnation"),
                              OrNull(Number("page", 1)),
                              Word("source", kSourceWords),
                              Word("location", kLocationWords),
                              Word("access", kAccessWords),
                              Word("severity", kSeverityWords),
                              Word("evidence", kEvidenceWords),
                              OrNull(Pattern("gpa")),
                              OrNull(AnyBytes()),
                              OrNull(Pattern("gva")),
                              Pattern("flags"),
                              Pattern("esr"),
                              Pattern("raw_gva"),
                              Pattern("raw_gpa"),
                              Pattern("hva"),
                              Number("vcpu", 0, kTop32),
                              Number("count", 0, kTop32),
                              Number("mono_ns"),
                              Time("seen_unix_ns", "wall_ns")};

const Field kLossFields[] = {Number("id", 1),
                             Id("incarnation"),
                             Number("page", 1),
                             Id("boot"),
                             Pattern("gpa"),
                             Bytes(),
                             Number("lost_bytes"),
                             Number("pid", 0, kTop32),
                             Text("comm", kNameBytes),
                             Text("cgroup", kNameBytes),
                             Time("heard_unix_ns", "wall_ns")};

const Field kAuditFields[] = {Number("id", 1),
                              Time("when_unix_ns", "wall_ns"),
                              Word("action", kActionWords),
                              Number("uid", 0, kTop32),
                              Number("pid", 0, std::numeric_limits<std::int32_t>::max()),
                              Text("who", kNameBytes),
                              OrNull(Id("vm")),
                              OrNull(Pattern("gpa")),
                              OrNull(Bytes()),
                              Number("pages"),
                              Text("reason", kTextBytes)};

Status Wrong(const Field& field, std::string_view want) {
  return Fail(ErrorCode::kInvalid, fmt::format("'{}' must be {}", field.key, want));
}

Status CheckText(const Field& field, const std::string& text) {
  switch (field.type) {
    case FieldType::kUuid: {
      const auto uuid = ParseUuid(text);
      if (!uuid || FormatUuid(*uuid) != text) return Wrong(field, "a UUID in lower case");
      return {};
    }
    case FieldType::kWord:
      if (std::ranges::find(field.words, text) == field.words.end())
        return Wrong(field, fmt::format("one of {}", fmt::join(field.words, ", ")));
      return {};
    case FieldType::kText:
      if (text.size() > static_cast<std::size_t>(field.most))
        return Wrong(field, fmt::format("at most {} bytes", field.most));
      return {};
    case FieldType::kNumber:
    case FieldType::kPattern:
      break;
  }
  return Wrong(field, "a number");
}

Status CheckValue(const Field& field, const FieldValue& value) {
  if (std::holds_alternative<std::monostate>(value))
    return field.nullable ? Status() : Wrong(field, "there");
  if (const auto* text = std::get_if<std::string>(&value)) return CheckText(field, *text);
  const auto number = std::get<std::int64_t>(value);
  if (field.type == FieldType::kPattern) return {};
  if (field.type != FieldType::kNumber) return Wrong(field, "text");
  if (number < field.least || number > field.most)
    return Wrong(field, fmt::format("{} to {}", field.least, field.most));
  return {};
}

}  // namespace

std::string_view ToString(RecordKind kind) {
  switch (kind) {
    case RecordKind::kVm:
      return "vm";
    case RecordKind::kIncarnation:
      return "incarnation";
    case RecordKind::kPage:
      return "page";
    case RecordKind::kVerdict:
      return "verdict";
    case RecordKind::kEvent:
      return "event";
    case RecordKind::kLoss:
      return "loss";
    case RecordKind::kAudit:
      return "audit";
  }
  return "";
}

std::span<const Field> FieldsOf(RecordKind kind) {
  switch (kind) {
    case RecordKind::kVm:
      return kVmFields;
    case RecordKind::kIncarnation:
      return kIncarnationFields;
    case RecordKind::kPage:
      return kPageFields;
    case RecordKind::kVerdict:
      return kVerdictFields;
    case RecordKind::kEvent:
      return kEventFields;
    case RecordKind::kLoss:
      return kLossFields;
    case RecordKind::kAudit:
      return kAuditFields;
  }
  return {};
}

const FieldValue& LedgerRecord::At(std::string_view key) const {
  const auto fields = FieldsOf(kind);
  const auto found = std::ranges::find(fields, key, &Field::key);
  assert(found != fields.end());
  return values[static_cast<std::size_t>(found - fields.begin())];
}

Status CheckRecord(const LedgerRecord& record) {
  const auto fields = FieldsOf(record.kind);
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (auto good = CheckValue(fields[i], record.values[i]); !good) return good;
  return {};
}

}  // namespace seaward::ledger
