// Edges of a Session for tests: a port that keeps what was sent, a listener that keeps what it
// heard.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "host-notifier/session/session_edges.h"

namespace seaward::session {

class FakePort final : public SessionPort {
 public:
  bool Send(std::span<const std::byte> frame) override {
    if (refusing_) return false;
    bytes_.insert(bytes_.end(), frame.begin(), frame.end());
    return true;
  }
  void Refuse(bool refusing) { refusing_ = refusing; }
  // What was sent since the last call.
  std::vector<std::byte> Take() { return std::exchange(bytes_, {}); }
  std::size_t size() const { return bytes_.size(); }

 private:
  bool refusing_ = false;
  std::vector<std::byte> bytes_;
};

class RecordingListener final : public SessionListener {
 public:
  void OnHello(const protocol::Hello& hello, bool new_boot) override {
    hellos.push_back(hello);
    if (new_boot) ++new_boots;
  }
  void OnSent(const protocol::PoisonEntry& entry, const Uuid&) override {
    sent.push_back(entry.id);
  }
  void OnVerdict(const protocol::VerdictRecord& record, const Uuid& boot_id) override {
    verdicts.push_back(record);
    verdict_boots.push_back(boot_id);
  }
  void OnKnown(const protocol::Known& known, const Uuid& boot_id) override {
    claims.insert(claims.end(), known.records.begin(), known.records.end());
    claims_complete = claims_complete || known.last;
    verdict_boots.push_back(boot_id);
  }
  void OnSynced(const Uuid&, protocol::Stage stage) override { synced.push_back(stage); }
  void OnVerdictsOverdue(std::size_t entries) override { overdue.push_back(entries); }
  void OnStats(const protocol::Stats& stats) override { stats_heard.push_back(stats); }
  void OnLosses(const protocol::Losses& losses) override {
    losses_heard.insert(losses_heard.end(), losses.losses.begin(), losses.losses.end());
  }
  void OnBeforeKernel(const protocol::BeforeKernel& before) override {
    before_kernel_heard.push_back(before);
  }
  void OnPhase(Phase phase) override { phases.push_back(phase); }
  void OnProtocolFault(ProtocolFault fault, std::uint64_t count) override {
    faults[fault] += count;
  }

  std::vector<protocol::Hello> hellos;
  int new_boots = 0;
  std::vector<std::uint64_t> sent;
  std::vector<protocol::VerdictRecord> verdicts;
  std::vector<Uuid> verdict_boots;
  std::vector<protocol::Loss> losses_heard;
  std::vector<protocol::KnownRecord> claims;
  bool claims_complete = false;
  std::vector<protocol::Stage> synced;
  std::vector<std::size_t> overdue;
  std::vector<protocol::Stats> stats_heard;
  std::vector<protocol::BeforeKernel> before_kernel_heard;
  std::vector<Phase> phases;
  std::map<ProtocolFault, std::uint64_t> faults;
};

}  // namespace seaward::session
