// Keeps a ring attached to whichever notifier runs: connects, hands the descriptors over, notices
// when the notifier goes, and starts again. A thread of its own, so that no vCPU ever waits for a
// socket; it sleeps as long as the notifier lives.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/uuid.h"
#include "host-notifier/vmm/attach_message.h"
#include "host-notifier/vmm/heal_orders.h"

namespace seaward::vmm {

struct KeeperOptions {
  std::string socket_path;
  std::optional<Uuid> claimed_vm;
  int memory_fd = -1;  // both outlive the keeper
  int doorbell_fd = -1;
  std::uint64_t ring_bytes = 0;
  HealOrderTaker* orders = nullptr;  // null: the ring does not say kTakesHealOrders
  // A restarted notifier listens again within a second; exits wait in the ring meanwhile.
  std::chrono::milliseconds first_retry{100};
  // Without a notifier on this host: one failing connect() every two seconds.
  std::chrono::milliseconds last_retry{2000};
};

struct KeeperState {
  bool attached = false;
  std::uint64_t attach_count = 0;
  std::uint64_t refusals = 0;
};

class Keeper {
 public:
  // Lines come from the keeper's thread.
  using LineSink = std::function<void(LogLevel, std::string_view)>;

  // The thread blocks all signals: the VMM's handlers never run on it.
  static Result<std::unique_ptr<Keeper>> Start(KeeperOptions options, LineSink log);
  // Ends the thread; waits for it, which takes no longer than a system call.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  KeeperState state() const;
  // The taker of orders has results: they are sent soon. Any thread; waits for nothing.
  void Wake() noexcept;
  // In a forked child, where the thread does not exist: gives up the copy of the connection, so
  // that the notifier notices when the parent dies. Async-signal-safe.
  void AbandonInChild() noexcept;

 private:
  // What the connection says about itself.
  enum class Attending { kGoesOn, kEnds };
  Keeper(KeeperOptions options, LineSink log, UniqueFd stop, UniqueFd results);
  void Run();
  Result<UniqueFd> Connect() const;
  Status SendRequest(int connection) const;
  std::chrono::milliseconds Attend(int connection);
  Attending Hear(int connection, std::chrono::milliseconds& retry);
  Attending Obey(int connection, std::span<const std::byte> message);
  void SendResults(int connection);
  void Note(AttachReply reply);
  bool Stopped(std::chrono::milliseconds wait) const;

  const KeeperOptions options_;
  const LineSink log_;
  UniqueFd stop_;     // eventfd, written once
  UniqueFd results_;  // eventfd, rung by Wake
  std::atomic<bool> attached_{false};
  std::atomic<std::uint64_t> attach_count_{0};
  std::atomic<std::uint64_t> refusals_{0};
  std::atomic<int> connection_{-1};
  std::thread thread_;
};

}  // namespace seaward::vmm
