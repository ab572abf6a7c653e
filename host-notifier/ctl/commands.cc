#include "host-notifier/ctl/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host-notifier/ctl/control_client.h"
#include "host-notifier/ctl/tables.h"
#include "host-notifier/ctl/transfer.h"

namespace seaward::ctl {
namespace {

using nlohmann::json;

// The notifier answers from memory and SQLite; one that takes longer hangs.
constexpr std::chrono::seconds kPatience{15};

std::string RequestLine(const Command& command) {
  // "domain check" and "domain xml" show the same answer.
  std::string op = command.op.substr(0, command.op.find(' '));
  std::ranges::replace(op, '-', '_');
  json request{{"op", op}};
  if (!command.vm.empty()) request["vm"] = command.vm;
  if (command.no_pages) request["pages"] = false;
  if (command.op == "events") {
    request["after_id"] = command.after_id;
    request["limit"] = command.limit;
  }
  if (command.op == "report" && !command.host_frame.empty()) {
    request["host_frame"] = command.host_frame;
    request["evidence"] = command.evidence;
  } else if (command.op == "report") {
    request["gpa"] = command.gpa;
    request["length_bytes"] = command.length;
    request["evidence"] = command.evidence;
  }
  if (command.op == "clear") {
    request["gpa"] = command.gpa;
    request["length_bytes"] = command.length;
    request["reason"] = command.reason;
    request["who"] = command.who;
  }
  if (command.op == "audit") request["limit"] = command.limit;
  if (command.op == "drain") {
    request["wait_s"] = command.wait_s;
    request["end"] = command.end;
  }
  return request.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string TextOf(const std::string& op, const json& reply) {
  if (op == "status") return StatusText(reply);
  if (op == "events") return EventsText(reply);
  if (op == "report") return ReportText(reply);
  if (op == "can-migrate") return MigrationText(reply);
  if (op == "explain") return ExplainText(reply);
  if (op == "domain check") return DomainCheckText(reply);
  if (op == "domain xml") return DomainXmlText(reply);
  if (op == "clear") return ClearText(reply);
  if (op == "replay") return ReplayText(reply);
  if (op == "drain") return DrainText(reply);
  if (op == "audit") return AuditText(reply);
  return WatchText(reply);
}

int ExitCodeOf(const json& error) {
  return error.value("code", "") == "not_found" ? kExitUnknownVm : kExitFailed;
}

// What an answer means for a script.
int VerdictOf(const Command& command, const json& reply) {
  if (command.op == "domain check" && !reply.value("complete", false)) return kExitFailed;
  if (command.op == "can-migrate" && !reply.value("safe", false)) return kExitFailed;
  if (command.op == "replay" && !reply.value("sent", false)) return kExitFailed;
  if (command.op == "drain" && !command.end && !reply.value("drained", false)) return kExitFailed;
  return kExitOk;
}

// How long an answer may take.
std::chrono::seconds PatienceFor(const Command& command) {
  if (command.op == "watch") return std::chrono::seconds(0);
  return command.op == "drain" ? kPatience + std::chrono::seconds(command.wait_s) : kPatience;
}

// Of one reply line; nullopt as long as all is well.
std::optional<int> Print(const Command& command, const std::string& line, std::FILE* out,
                         std::FILE* err) {
  const json reply = json::parse(line, nullptr, false);
  if (!reply.is_object()) {
    fmt::print(err, "seawardctl: the notifier sent no JSON object\n");
    return kExitFailed;
  }
  if (reply.contains("error") && reply["error"].is_object()) {
    fmt::print(err, "seawardctl: {}\n", reply["error"].value("text", "failed"));
    return ExitCodeOf(reply["error"]);
  }
  fmt::print(out, "{}", command.as_json ? line + '\n' : TextOf(command.op, reply));
  std::fflush(out);
  if (const int verdict = VerdictOf(command, reply); verdict != kExitOk) return verdict;
  return std::nullopt;
}

}  // namespace

int Run(const Command& command, std::FILE* out, std::FILE* err) {
  if (command.op == "export") return RunExport(command, out, err);
  if (command.op == "import") return RunImport(command, out, err);
  auto client = ControlClient::Connect(command.socket);
  if (!client) {
    fmt::print(err, "seawardctl: no notifier: {}\n", client.error().Text());
    return kExitUnreachable;
  }
  const bool watching = command.op == "watch";
  std::optional<int> failed;
  const auto asked =
      client->Ask(RequestLine(command), PatienceFor(command), [&](const std::string& line) {
        failed = Print(command, line, out, err);
        return watching && !failed;
      });
  if (failed) return *failed;
  if (asked && !watching) return kExitOk;
  fmt::print(err, "seawardctl: {}\n", asked ? "the notifier went away" : asked.error().Text());
  return kExitUnreachable;
}

}  // namespace seaward::ctl
