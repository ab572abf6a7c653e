#include "host-notifier/observe/record_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace seaward::observe {
namespace {

using Json = nlohmann::ordered_json;
using ledger::Field;
using ledger::FieldType;
using ledger::FieldValue;
using ledger::LedgerRecord;
using ledger::RecordKind;

constexpr std::string_view kHeaderType = "seaward_ledger";

tl::unexpected<Error> Bad(std::string text) {
  return Fail(ErrorCode::kInvalid, std::move(text));
}

Json ValueJson(const Field& field, const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) return nullptr;
  if (field.type == FieldType::kPattern) return FormatAddress(static_cast<std::uint64_t>(*number));
  return *number;
}

Result<FieldValue> TextOf(const Field& field, const std::string& text) {
  if (field.type == FieldType::kNumber) return Bad(fmt::format("'{}' must be a number", field.key));
  if (field.type != FieldType::kPattern) return FieldValue(text);
  const auto pattern = ParseAddress(text);
  if (!pattern) return Bad(fmt::format("'{}' must be \"0x...\"", field.key));
  return FieldValue(static_cast<std::int64_t>(*pattern));
}

Result<FieldValue> ValueOf(const Field& field, const Json& json) {
  if (json.is_null()) return FieldValue();
  if (json.is_string()) return TextOf(field, json.get<std::string>());
  if (field.type != FieldType::kNumber) return Bad(fmt::format("'{}' must be text", field.key));
  if (!json.is_number_integer()) return Bad(fmt::format("'{}' must be a whole number", field.key));
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > static_cast<std::uint64_t>(field.most))
    return Bad(fmt::format("'{}' must be at most {}", field.key, field.most));
  return FieldValue(json.get<std::int64_t>());
}

Result<Json> ObjectOf(std::string_view line) {
  if (line.size() > kMaxRecordBytes) return Bad("the line is too long");
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return Bad("not a JSON object");
  const auto type = json.find("type");
  if (type == json.end() || !type->is_string()) return Bad("'type' must be text");
  return json;
}

Result<RecordKind> KindOf(const std::string& type) {
  for (const RecordKind kind : ledger::kAllRecordKinds)
    if (ToString(kind) == type) return kind;
  return Bad(fmt::format("'{}' is no type of a record", type.substr(0, 32)));
}

}  // namespace

std::string RecordHeaderLine() {
  return Json{{"type", kHeaderType}, {"format", kRecordFormat}, {"version", SEAWARD_VERSION}}
      .dump();
}

Status ParseRecordHeader(std::string_view line) {
  const auto json = ObjectOf(line);
  if (!json || json->at("type") != kHeaderType)
    return Bad("this is no export of a ledger: the first line must be its header");
  const auto format = json->find("format");
  if (format == json->end() || !format->is_number_integer())
    return Bad("'format' must be a number");
  if (*format != kRecordFormat)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the export has format {}; this program knows {}", format->dump(),
                            kRecordFormat));
  return {};
}

std::string RecordEndLine(std::uint64_t records) {
  return Json{{"type", "end"}, {"records", records}}.dump();
}

std::optional<std::uint64_t> ParseRecordEnd(std::string_view line) {
  const auto json = ObjectOf(line);
  if (!json || json->at("type") != "end") return std::nullopt;
  const auto records = json->find("records");
  if (records == json->end() || !records->is_number_unsigned()) return std::nullopt;
  return records->get<std::uint64_t>();
}

std::string RecordLine(const LedgerRecord& record) {
  Json json;
  json["type"] = ToString(record.kind);
  std::size_t i = 0;
  for (const Field& field : ledger::FieldsOf(record.kind))
    json[std::string(field.key)] = ValueJson(field, record.values[i++]);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<LedgerRecord> ParseRecordLine(std::string_view line) {
  const auto json = ObjectOf(line);
  if (!json) return tl::unexpected<Error>(json.error());
  const auto kind = KindOf(json->at("type").get<std::string>());
  if (!kind) return tl::unexpected<Error>(kind.error());
  const auto fields = ledger::FieldsOf(*kind);
  for (const auto& [key, value] : json->items())
    if (key != "type" && std::ranges::find(fields, key, &Field::key) == fields.end())
      return Bad(fmt::format("unknown key '{}'", key.substr(0, 32)));
  LedgerRecord record{*kind, {}};
  for (const Field& field : fields) {
    const auto found = json->find(std::string(field.key));
    if (found == json->end() && field.later) {
      record.values.emplace_back();
      continue;
    }
    if (found == json->end()) return Bad(fmt::format("'{}' is missing", field.key));
    auto value = ValueOf(field, *found);
    if (!value) return Forward(value);
    record.values.push_back(std::move(*value));
  }
  return record;
}

}  // namespace seaward::observe
