#include "host-notifier/app/notice_teller.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/file_io.h"
#include "host-notifier/observe/notice.h"

namespace seaward {
namespace {

using ledger::DecisionRow;
using policy::ActionEvent;

constexpr std::size_t kLongestToken = 4096;

Result<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return std::string();
  auto text = ReadTextFile(path, kLongestToken);
  if (!text) return Forward(text);
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  const bool printable =
      std::ranges::all_of(*text, [](char c) { return c > ' ' && c < 0x7f; }) && !text->empty();
  if (!printable) return Fail(ErrorCode::kInvalid, path + ": holds no token of one line");
  return text;
}

// Doubled with each attempt.
std::chrono::seconds Backoff(const policy::Webhook& hook, std::uint32_t attempts) {
  std::chrono::seconds wait = hook.retry_initial;
  for (std::uint32_t i = 1; i < attempts && wait < hook.retry_max; ++i) wait *= 2;
  return std::min(wait, hook.retry_max);
}

}  // namespace

bool NoticeTeller::Knows(const std::string& sink) const {
  return config_.FindHook(sink) != nullptr || config_.FindWebhook(sink) != nullptr;
}

// A receiver of CloudEvents tells repetitions by their id. A program may not: it is run again only
// where the operator allows more than one attempt.
bool NoticeTeller::MayRepeat(const DecisionRow& row) const {
  const policy::Hook* hook = config_.FindHook(row.action.sink);
  return hook == nullptr || row.attempts < hook->attempts;
}

void NoticeTeller::Tell(const DecisionRow& row, Done done) {
  if (const policy::Hook* hook = config_.FindHook(row.action.sink))
    return RunHook(*hook, row, std::move(done));
  if (const policy::Webhook* hook = config_.FindWebhook(row.action.sink))
    return Post(*hook, row, std::move(done));
  boost::asio::post(loop_, [done = std::move(done)] {
    done({ActionEvent::kFailedForGood, {.result = "no hook or webhook of this name any more"}});
  });
}

void NoticeTeller::RunHook(const policy::Hook& hook, const DecisionRow& row, Done done) {
  const action::HookCommand command{hook.program, hook.arguments,
                                    observe::NoticeJson(row, host_) + "\n", hook.deadline};
  auto started = action::HookProcess::Start(loop_, command,
                                            [this, &hook, row, done](const action::HookEnd& end) {
                                              hooks_.erase(row.id);
                                              done(HookEnded(hook, row, end));
                                            });
  if (started) {
    hooks_[row.id] = std::move(*started);
    return;
  }
  boost::asio::post(loop_, [end = HookEnded(hook, row, {false, started.error().Text()}),
                            done = std::move(done)] { done(end); });
}

StepEnd NoticeTeller::HookEnded(const policy::Hook& hook, const DecisionRow& row,
                                const action::HookEnd& end) const {
  if (end.succeeded) return {ActionEvent::kSucceeded, {.result = end.text}};
  if (row.attempts >= hook.attempts) return {ActionEvent::kFailedForGood, {.result = end.text}};
  return {ActionEvent::kFailedForNow, {.result = end.text, .next = clock_.WallNow() + hook.retry}};
}

void NoticeTeller::Post(const policy::Webhook& hook, const DecisionRow& row, Done done) {
  const auto token = ReadToken(hook.token_file);
  if (!token) {
    // Somebody may be replacing it just now.
    const action::WebEnd end{false, true, {}, token.error().Text()};
    boost::asio::post(loop_,
                      [end = PostEnded(hook, row, end), done = std::move(done)] { done(end); });
    return;
  }
  posts_[row.id] =
      action::WebPost::Start(loop_,
                             {hook.url, std::string(observe::kNoticeContentType),
                              observe::NoticeJson(row, host_), *token, hook.ca_file, hook.deadline},
                             [this, &hook, row, done](const action::WebEnd& end) {
                               posts_.erase(row.id);
                               done(PostEnded(hook, row, end));
                             });
}

StepEnd NoticeTeller::PostEnded(const policy::Webhook& hook, const DecisionRow& row,
                                const action::WebEnd& end) const {
  if (end.succeeded) return {ActionEvent::kSucceeded, {.result = end.text}};
  if (!end.try_again) return {ActionEvent::kFailedForGood, {.result = end.text}};
  std::chrono::seconds wait = Backoff(hook, row.attempts);
  if (end.not_before) wait = std::clamp(*end.not_before, wait, hook.retry_max);
  return {ActionEvent::kFailedForNow, {.result = end.text, .next = clock_.WallNow() + wait}};
}

}  // namespace seaward
