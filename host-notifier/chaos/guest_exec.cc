#include "host-notifier/chaos/guest_exec.h"

#include <nlohmann/json.hpp>

namespace seaward::chaos {
namespace {

using nlohmann::json;

// The agent answers at once; what it started may take its time.
constexpr std::chrono::milliseconds kAskEvery{100};

// What stands under "return".
Result<json> Ask(const AskGuestAgent& ask, const json& command) {
  auto line = ask(command.dump(-1, ' ', false, json::error_handler_t::replace));
  if (!line) return Forward(line);
  const json answer = json::parse(*line, nullptr, false);
  if (answer.is_object() && answer.contains("return") && answer["return"].is_object())
    return answer["return"];
  return Fail(ErrorCode::kUnsupported,
              "the guest's agent does not understand " + command["execute"].get<std::string>());
}

}  // namespace

Result<int> RunInGuest(const AskGuestAgent& ask, const std::string& script, Waiting& waiting,
                       std::chrono::milliseconds limit) {
  const json arguments = {{"path", "/bin/sh"}, {"arg", {"-c", script}}};
  auto started = Ask(ask, {{"execute", "guest-exec"}, {"arguments", arguments}});
  if (!started) return Forward(started);
  const json pid = started->value("pid", json());
  const json question = {{"execute", "guest-exec-status"}, {"arguments", {{"pid", pid}}}};
  const MonoTime deadline = waiting.Now() + limit;
  while (waiting.Now() < deadline && !waiting.Interrupted()) {
    auto state = Ask(ask, question);
    if (!state) return Forward(state);
    if (state->value("exited", json()) == true) {
      const json code = state->value("exitcode", json());
      if (code.is_number_integer()) return code.get<int>();
      return Fail(ErrorCode::kIo, "the command in the guest was killed");
    }
    waiting.Sleep(kAskEvery);
  }
  return Fail(ErrorCode::kTimeout, "the command in the guest does not end");
}

}  // namespace seaward::chaos
