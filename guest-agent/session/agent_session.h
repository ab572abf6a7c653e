// The agent's end of the protocol: greets, takes what the host reports to the retirement desk,
// sends the verdicts. No I/O, no threads: bytes come in, whole frames go out, time comes from the
// clock. Everything received is untrusted until its nonce is the one that this session chose; bytes
// of an earlier boot therefore never retire a page.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "guest-agent/retire/retirement_desk.h"
#include "guest-agent/session/session_phase.h"
#include "guest-agent/session/verdict_outbox.h"
#include "protocol/codec.h"
#include "protocol/frame_reader.h"
#include "protocol/page_set.h"

namespace seaward::agent {

// Who this guest is in this boot.
struct AgentIdentity {
  Uuid boot_id;
  Uuid machine;      // nil: unknown
  Uuid incarnation;  // of the journal at hand; nil: none
  protocol::Stage stage = protocol::Stage::kRun;
  PageSize page_size;
  std::string version;
};

struct SessionLimits {
  std::chrono::milliseconds hello_initial{250};  // first repetition of an unanswered Hello
  std::chrono::milliseconds hello_max{30000};
  // A HelloRequest that comes sooner after a Hello has crossed it on its way.
  std::chrono::milliseconds hello_gap{1000};
  std::chrono::milliseconds send_retry{20};  // when the port took no frame
  std::size_t outbox_records = 1024;
  std::size_t slice_pages = 8;  // attempts between two looks at the port
};

// What the session needs of the outside and tells it. Called from within the session's own calls.
class SessionEdge {
 public:
  virtual ~SessionEdge() = default;
  // A whole frame or nothing; false: not now.
  virtual bool SendFrame(std::span<const std::byte> frame) = 0;
  // Unpredictable, so that no stale byte carries it by chance.
  virtual std::uint64_t ChooseNonce() = 0;
  virtual std::uint64_t HardwareCorruptedBytes() = 0;
  virtual void OnLive(const protocol::HelloAck& ack) = 0;
  // After the verdicts were handed to the port.
  virtual void OnProgress(const RetirementProgress& progress) = 0;
  // What the host is told that lost its record.
  virtual std::vector<protocol::KnownRecord> KnownPages() = 0;
  // All that the host wants retired has been dealt with.
  virtual void OnSynced() = 0;
  virtual void OnForgotten(const ByteRange& range) = 0;
};

class AgentSession {
 public:
  AgentSession(const AgentIdentity& identity, const SessionLimits& limits, const Clock& clock,
               RetirementDesk& desk, SessionEdge& edge);

  // A page that an earlier agent of this boot dealt with.
  void RestoreDealtWith(const ByteRange& range) { dealt_with_.Insert(range); }

  // Something happened after which the kernel may use retired pages again.
  void Reverify() { desk_.Reverify(); }

  // Of the journal that was found; told to the host with the next Hello.
  void RememberIncarnation(const Uuid& incarnation) { identity_.incarnation = incarnation; }

  // What ran before this kernel; told to the host behind each first sync.
  void RememberBeforeKernel(const protocol::BeforeKernel& before) { before_kernel_ = before; }

  void HostConnected();
  void HostGone();
  void BytesReceived(std::span<const std::byte> bytes);
  // Told once, when a session stands.
  void TellLosses(const protocol::Losses& losses);
  // Sends what is due and works one slice. Call while HasWork(), and when NextDeadline() passes.
  void Work();
  bool HasWork() const { return desk_.HasWork(); }
  // None when there is nothing to wait for but the host.
  std::optional<MonoTime> NextDeadline() const;

  SessionPhase phase() const { return phase_; }
  // Synced with this host, nothing left to do or to send.
  bool Settled() const { return synced_ && !desk_.HasWork() && outbox_.empty(); }
  std::uint64_t rejected_frames() const { return rejected_frames_; }
  std::uint64_t dropped_bytes() const { return reader_.dropped_bytes(); }

 private:
  struct Offer {
    protocol::Nonce nonce;
    protocol::PageSet dealt_with;  // what the Hello's digest covered
  };

  void Happened(SessionEvent event);
  void HelloRequested();
  void SendHello();
  void Begin();
  void End();
  void HandleFrame(const protocol::Frame& frame);
  void HandleAck(const protocol::Frame& frame, const protocol::HelloAck& ack);
  void HandleLive(const protocol::Message& message);
  bool FromThisSession(const protocol::FrameHeader& header);
  void Report(const RetirementProgress& progress);
  void GreetAgain(MonoTime now);
  void FlushVerdicts();
  void FlushKnown();
  void HandlePoison(const protocol::Poison& poison);
  void HandleSync(const protocol::Sync& sync);
  void HandleRecall();
  void HandleClear(const protocol::Clear& clear);
  void CheckSynced();
  bool Send(const protocol::Message& message);
  protocol::Stats CurrentStats();

  AgentIdentity identity_;
  SessionLimits limits_;
  const Clock& clock_;
  RetirementDesk& desk_;
  SessionEdge& edge_;

  SessionPhase phase_ = SessionPhase::kNoHost;
  protocol::FrameReader reader_;
  VerdictOutbox outbox_;
  std::deque<protocol::Known> known_;  // the rest of the answer to a recall
  protocol::PageSet dealt_with_;       // in this boot, by final verdict; predicted errors stay out
  protocol::PageSet given_;            // by the host in this session, predicted errors aside
  std::optional<protocol::Sync> wanted_;  // the host's set, as it said last
  bool synced_ = false;
  bool greet_again_ = false;  // what the host believes of this boot is not true any more
  std::optional<protocol::BeforeKernel> before_kernel_;

  // The Hellos of this greeting, oldest first: an answer to any of them is good, the newest wins.
  // The front is the one that was answered, while a session stands.
  std::deque<Offer> offered_;
  protocol::Nonce nonce_ = protocol::Nonce::kNone;
  std::uint32_t sent_sequence_ = 0;
  std::uint32_t received_sequence_ = 0;
  std::optional<protocol::HelloAck> ack_;
  std::optional<MonoTime> last_hello_;
  std::optional<MonoTime> hello_due_;
  std::optional<MonoTime> send_due_;
  std::chrono::milliseconds hello_delay_{0};
  std::uint64_t rejected_frames_ = 0;
};

}  // namespace seaward::agent
