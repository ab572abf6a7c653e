#include "host-notifier/observe/control_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>

namespace seaward::observe {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxVmNameBytes = 255;

tl::unexpected<Error> Bad(std::string text) {
  return Fail(ErrorCode::kInvalid, std::move(text));
}

Status OnlyKeys(const Json& json, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : json.items())
    if (std::ranges::find(known, key) == known.end())
      return Bad(fmt::format("unknown key '{}'", key.substr(0, kMaxVmNameBytes)));
  return {};
}

Result<std::string> Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return Bad(fmt::format("'{}' must be text", key));
  return found->get<std::string>();
}

Result<std::optional<std::string>> OptionalVm(const Json& json) {
  if (!json.contains("vm")) return std::optional<std::string>();
  auto vm = Text(json, "vm");
  if (!vm) return Forward(vm);
  if (vm->empty() || vm->size() > kMaxVmNameBytes) return Bad("'vm' must have 1 to 255 bytes");
  return std::optional<std::string>(std::move(*vm));
}

Result<std::uint64_t> Number(const Json& json, const char* key, std::uint64_t fallback,
                             std::uint64_t min, std::uint64_t max) {
  const auto found = json.find(key);
  if (found == json.end()) return fallback;
  if (!found->is_number_unsigned()) return Bad(fmt::format("'{}' must be a whole number", key));
  const auto value = found->get<std::uint64_t>();
  if (value < min || value > max) return Bad(fmt::format("'{}' must be {} to {}", key, min, max));
  return value;
}

template <class Request>
Result<ControlRequest> AboutVm(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "vm"}); !known) return Forward(known);
  auto vm = OptionalVm(json);
  if (!vm) return Forward(vm);
  return ControlRequest(Request{std::move(*vm)});
}

Result<ControlRequest> AboutStatus(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "vm", "pages"}); !known) return Forward(known);
  auto vm = OptionalVm(json);
  if (!vm) return Forward(vm);
  const auto pages = json.find("pages");
  if (pages != json.end() && !pages->is_boolean()) return Bad("'pages' must be true or false");
  return ControlRequest(StatusRequest{std::move(*vm), pages == json.end() || pages->get<bool>()});
}

Result<std::string> RequiredVm(const Json& json) {
  auto vm = OptionalVm(json);
  if (!vm) return Forward(vm);
  if (!*vm) return Bad("'vm' is missing");
  return std::move(**vm);
}

template <class Request>
Result<ControlRequest> AboutOneVm(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "vm"}); !known) return Forward(known);
  auto vm = RequiredVm(json);
  if (!vm) return Forward(vm);
  return ControlRequest(Request{std::move(*vm)});
}

Result<ControlRequest> Events(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "vm", "after_id", "limit"}); !known) return Forward(known);
  auto vm = OptionalVm(json);
  if (!vm) return Forward(vm);
  constexpr std::uint64_t kTop = std::numeric_limits<std::int64_t>::max();
  const auto after = Number(json, "after_id", 0, 0, kTop);
  if (!after) return tl::unexpected<Error>(after.error());
  const auto limit = Number(json, "limit", kDefaultEvents, 1, kMaxEventsPerReply);
  if (!limit) return tl::unexpected<Error>(limit.error());
  return ControlRequest(EventsRequest{std::move(*vm), *after, static_cast<std::uint32_t>(*limit)});
}

// The bytes that a request is about, in whole granules.
Result<ByteRange> RangeOf(const Json& json) {
  auto gpa_text = Text(json, "gpa");
  if (!gpa_text) return Forward(gpa_text);
  auto gpa = ParseAddress(*gpa_text);
  if (!gpa) return Forward(gpa);
  const auto length = Number(json, "length_bytes", kPoisonGranule, 1, kMaxReportBytes);
  if (!length) return tl::unexpected<Error>(length.error());
  auto range = ByteRange::Make(GuestPhysAddr{*gpa}, *length);
  if (!range) return range;
  if (range->last() > kTopGuestAddress) return Bad("'gpa' is beyond any guest's memory");
  return range->AlignedTo(kPoisonGranule);
}

Result<protocol::Evidence> EvidenceOf(const Json& json) {
  auto word = json.contains("evidence") ? Text(json, "evidence") : Result<std::string>("latent");
  if (!word) return Forward(word);
  return protocol::ParseEvidence(*word);
}

Result<ControlRequest> ReportFrame(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "host_frame", "evidence"}); !known) return Forward(known);
  auto text = Text(json, "host_frame");
  if (!text) return Forward(text);
  auto number = ParseAddress(*text);
  if (!number) return Forward(number);
  if (*number == 0 || *number > kTopHostFrame)
    return Bad(fmt::format("'host_frame' must be 0x1 to {:#x}", kTopHostFrame));
  auto evidence = EvidenceOf(json);
  if (!evidence) return Forward(evidence);
  return ControlRequest(ReportFrameRequest{PageFrame{*number}, *evidence});
}

Result<ControlRequest> Report(const Json& json) {
  if (json.contains("host_frame")) return ReportFrame(json);
  if (auto known = OnlyKeys(json, {"op", "vm", "gpa", "length_bytes", "evidence"}); !known)
    return Forward(known);
  auto vm = RequiredVm(json);
  if (!vm) return Forward(vm);
  const auto range = RangeOf(json);
  if (!range) return tl::unexpected<Error>(range.error());
  auto evidence = EvidenceOf(json);
  if (!evidence) return Forward(evidence);
  return ControlRequest(ReportRequest{std::move(*vm), *range, *evidence});
}

Result<std::string> Who(const Json& json) {
  if (!json.contains("who")) return std::string();
  auto who = Text(json, "who");
  if (who && who->size() > kMaxVmNameBytes) return Bad("'who' must have at most 255 bytes");
  return who;
}

Result<ControlRequest> Clear(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "vm", "gpa", "length_bytes", "reason", "who"}); !known)
    return Forward(known);
  auto vm = RequiredVm(json);
  if (!vm) return Forward(vm);
  const auto range = RangeOf(json);
  if (!range) return tl::unexpected<Error>(range.error());
  auto reason = Text(json, "reason");
  if (!reason) return Forward(reason);
  if (reason->empty() || reason->size() > kMaxReasonBytes)
    return Bad(fmt::format("'reason' must have 1 to {} bytes", kMaxReasonBytes));
  auto who = Who(json);
  if (!who) return Forward(who);
  return ControlRequest(ClearRequest{std::move(*vm), *range, std::move(*reason), std::move(*who)});
}

Result<ControlRequest> Drain(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "wait_s", "end"}); !known) return Forward(known);
  const auto wait = Number(json, "wait_s", kDefaultDrainSeconds, 1, kMaxDrainSeconds);
  if (!wait) return tl::unexpected<Error>(wait.error());
  const auto end = json.find("end");
  if (end != json.end() && !end->is_boolean()) return Bad("'end' must be true or false");
  return ControlRequest(
      DrainRequest{end != json.end() && end->get<bool>(), std::chrono::seconds(*wait)});
}

Result<ControlRequest> Audit(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "limit"}); !known) return Forward(known);
  const auto limit = Number(json, "limit", kDefaultEvents, 1, kMaxEventsPerReply);
  if (!limit) return tl::unexpected<Error>(limit.error());
  return ControlRequest(AuditRequest{static_cast<std::uint32_t>(*limit)});
}

Result<ControlRequest> Export(const Json& json) {
  if (auto known = OnlyKeys(json, {"op"}); !known) return Forward(known);
  return ControlRequest(ExportRequest{});
}

Result<ControlRequest> Import(const Json& json) {
  if (auto known = OnlyKeys(json, {"op", "who"}); !known) return Forward(known);
  auto who = Who(json);
  if (!who) return Forward(who);
  return ControlRequest(ImportRequest{std::move(*who)});
}

}  // namespace

Result<ControlRequest> ParseControlRequest(std::string_view line) {
  if (line.size() > kMaxRequestBytes) return Bad("the request is too long");
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return Bad("the request must be one JSON object");
  auto op = Text(json, "op");
  if (!op) return Forward(op);
  if (*op == "status") return AboutStatus(json);
  if (*op == "watch") return AboutVm<WatchRequest>(json);
  if (*op == "events") return Events(json);
  if (*op == "report") return Report(json);
  if (*op == "domain") return AboutOneVm<DomainRequest>(json);
  if (*op == "can_migrate") return AboutOneVm<MigrationRequest>(json);
  if (*op == "clear") return Clear(json);
  if (*op == "replay") return AboutOneVm<ReplayRequest>(json);
  if (*op == "drain") return Drain(json);
  if (*op == "audit") return Audit(json);
  if (*op == "export") return Export(json);
  if (*op == "import") return Import(json);
  if (*op == "explain") return AboutOneVm<ExplainRequest>(json);
  return Bad(
      "'op' must be status, events, watch, domain, can_migrate, report, clear, replay, drain, "
      "audit, export, import or explain");
}

}  // namespace seaward::observe
