#include "tests/lab/story/exit_row.h"

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/file_io.h"
#include "base/units.h"

namespace seaward::lab {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLargestFile = 4u << 20;

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json AddressOrNull(const std::optional<std::uint64_t>& value) {
  return value ? Json(FormatAddress(*value)) : Json();
}

Result<Json> ReadRows(const std::string& path) {
  if (!std::filesystem::exists(path)) return Json::array();
  auto text = ReadTextFile(path, kLargestFile);
  if (!text) return Forward(text);
  Json rows = Json::parse(*text, nullptr, false);
  const auto is_row = [](const Json& row) {
    return row.is_object() && row.contains("kind") && row.at("kind").is_string();
  };
  if (!rows.is_array() || !std::all_of(rows.begin(), rows.end(), is_row))
    return Fail(ErrorCode::kCorrupt, path + ": not a list of exits");
  return rows;
}

}  // namespace

Json ToJson(const ExitRow& row) {
  return {{"kind", row.kind},
          {"flags", row.flags},
          {"esr", FormatAddress(row.esr)},
          {"gva", FormatAddress(row.gva)},
          {"gpa", FormatAddress(row.gpa)},
          {"located_by", row.located_by},
          {"injection", row.injection},
          {"guest_esr", AddressOrNull(row.guest_esr)},
          {"guest_far", AddressOrNull(row.guest_far)},
          {"outcome", row.outcome},
          {"verdict", OrNull(row.verdict)},
          {"host_retired", OrNull(row.host_retired)},
          {"exposure_us", OrNull(row.exposure_us)},
          {"exits_observed", row.exits_observed}};
}

Status MergeExitRow(const std::string& path, const ExitRow& row) {
  auto rows = ReadRows(path);
  if (!rows) return Forward(rows);
  const auto same = std::find_if(rows->begin(), rows->end(),
                                 [&](const Json& old) { return old["kind"] == row.kind; });
  if (same != rows->end()) {
    *same = ToJson(row);
  } else {
    rows->push_back(ToJson(row));
  }
  const std::string text = rows->dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
  return ReplaceFile(path, std::as_bytes(std::span(text)), 0644);
}

}  // namespace seaward::lab
