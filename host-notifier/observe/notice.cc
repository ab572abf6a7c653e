#include "host-notifier/observe/notice.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace seaward::observe {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::seconds;

// RFC 3339, UTC.
std::string Timestamp(WallTime time) {
  const auto since = time.time_since_epoch();
  const auto whole = std::chrono::floor<seconds>(since);
  const auto rest = duration_cast<microseconds>(since - whole);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(static_cast<std::time_t>(whole.count())), rest.count());
}

}  // namespace

std::string NoticeJson(const ledger::DecisionRow& decision, std::string_view host) {
  Json data;
  data["decision"] = decision.id;
  data["vm"] = decision.vm.name;
  data["vm_uuid"] = FormatUuid(decision.vm.uuid);
  data["incarnation"] = FormatUuid(decision.incarnation);
  data["rule"] = decision.rule;
  data["sink"] = decision.action.sink;
  data["counted"] = decision.counted;
  data["reason"] = decision.reason;
  data["attempt"] = decision.attempts;
  data["decided_unix_us"] =
      duration_cast<microseconds>(decision.decided.time_since_epoch()).count();
  Json event;
  event["specversion"] = "1.0";
  // An incarnation's name is random: ids do not begin anew with a ledger that does.
  event["id"] = fmt::format("{}-{}", FormatUuid(decision.incarnation), decision.id);
  event["source"] = fmt::format("/seaward/{}", host);
  event["type"] = "org.seaward.policy.notification.v1";
  event["subject"] = FormatUuid(decision.vm.uuid);
  event["time"] = Timestamp(decision.decided);
  event["datacontenttype"] = "application/json";
  event["data"] = std::move(data);
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace seaward::observe
