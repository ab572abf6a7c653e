#include "protocol/testing/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace seaward::protocol::testing {
namespace {

std::string DescribeRange(const ByteRange& range) {
  return fmt::format("start={:#x} length={:#x}", range.start().value, range.length());
}

struct Describer {
  std::string operator()(const HelloRequest&) const { return "hello_request"; }
  std::string operator()(const Hello& hello) const {
    return fmt::format(
        "hello boot_id={} machine={} incarnation={} stage={} page_size={} digest={:#x} entries={} "
        "agent_version={}",
        FormatUuid(hello.boot_id), FormatUuid(hello.machine), FormatUuid(hello.incarnation),
        ToString(hello.stage), hello.page_size, hello.digest, hello.entries, hello.agent_version);
  }
  std::string operator()(const HelloAck& ack) const {
    return fmt::format("hello_ack incarnation={} heartbeat_ms={}", FormatUuid(ack.incarnation),
                       ack.heartbeat.count());
  }
  std::string operator()(const Sync& sync) const {
    return fmt::format("sync digest={:#x} entries={}", sync.digest, sync.entries);
  }
  std::string operator()(const Poison& poison) const {
    std::string text = "poison";
    for (const PoisonEntry& entry : poison.entries)
      text += fmt::format("\n  entry id={} {} evidence={} replay={}", entry.id,
                          DescribeRange(entry.range), ToString(entry.evidence),
                          entry.replay ? "yes" : "no");
    return text;
  }
  std::string operator()(const Clear& clear) const {
    std::string text = "clear";
    for (const ByteRange& range : clear.ranges) text += "\n  range " + DescribeRange(range);
    return text;
  }
  std::string operator()(const Verdict& verdict) const {
    std::string text = "verdict";
    for (const VerdictRecord& record : verdict.records)
      text += fmt::format(
          "\n  record id={} {} outcome={} kind={} stage={} errno={} next_try_ms={} duration_ns={}",
          record.id, DescribeRange(record.range), ToString(record.outcome), ToString(record.kind),
          ToString(record.stage), record.sys_errno, record.next_try.count(),
          record.duration.count());
    return text;
  }
  std::string operator()(const Ping&) const { return "ping"; }
  std::string operator()(const Pong&) const { return "pong"; }
  std::string operator()(const Losses& losses) const {
    std::string text = "losses";
    for (const Loss& loss : losses.losses)
      text +=
          fmt::format("\n  loss id={} {} lost={:#x} pid={} comm={} cgroup={}", loss.id,
                      DescribeRange(loss.range), loss.lost_bytes, loss.pid, loss.comm, loss.cgroup);
    return text;
  }
  std::string operator()(const Stats& stats) const {
    return fmt::format(
        "stats retired_bytes={} budget_bytes={} hardware_corrupted_bytes={} dropped_bytes={} "
        "rejected_frames={}",
        stats.retired_bytes, stats.budget_bytes, stats.hardware_corrupted_bytes,
        stats.dropped_bytes, stats.rejected_frames);
  }
  std::string operator()(const Recall&) const { return "recall"; }
  std::string operator()(const Known& known) const {
    std::string text = fmt::format("known last={}", known.last ? "yes" : "no");
    for (const KnownRecord& record : known.records)
      text += fmt::format("\n  record {} evidence={} this_boot={}", DescribeRange(record.range),
                          ToString(record.evidence), record.this_boot ? "yes" : "no");
    return text;
  }
  std::string operator()(const BeforeKernel& before) const {
    return fmt::format("before_kernel result={} boots={} listed_pages={} protected_pages={}",
                       ToString(before.result), before.boots, before.listed_pages,
                       before.protected_pages);
  }
};

}  // namespace

std::string Describe(const Message& message) {
  return std::visit(Describer{}, message);
}

}  // namespace seaward::protocol::testing
