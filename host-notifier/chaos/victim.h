// Those whom a run harms and asks, as far as it needs them. Calls block; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::chaos {

// The domain. kUnsupported: it, its guest or its host cannot do that.
class Victim {
 public:
  virtual ~Victim() = default;
  virtual Status Pause() = 0;
  virtual Status Resume() = 0;
  virtual Status Reset() = 0;
  virtual Status Reboot() = 0;
  // The guest's kernel finds the page bad by itself.
  virtual Status InjectInGuest(GuestPhysAddr page) = 0;
  virtual Status KillAgent() = 0;
  // The frame behind the page is retired by the host's kernel.
  virtual Status RetireHostFrame(GuestPhysAddr page) = 0;
};

// One bad range, as the notifier's status has it.
struct PagePicture {
  ByteRange range = ByteRange::Granule({});
  std::string life{};
  std::string outcome{};
  std::optional<std::uint64_t> exposure_us{};
};

// The VM in the notifier's status.
struct VmPicture {
  std::string session{};
  std::string boot_id{};  // empty: of no boot yet
  // Errors that were lost, since the notifier started: it says so.
  std::uint64_t lost = 0;
  std::vector<PagePicture> pages{};
};

// One row of the ledger about a page of this VM.
struct LedgerRow {
  ByteRange range = ByteRange::Granule({});
  std::string life{};
  std::string outcome{};
  std::uint64_t events = 0;
  bool of_this_memory = false;  // its incarnation has not ended
};

// The notifier. Any error: it does not answer, or refuses.
class Witness {
 public:
  virtual ~Witness() = default;
  // Bad memory; on record when it returns.
  virtual Status Tell(GuestPhysAddr page, protocol::Evidence evidence) = 0;
  virtual Result<VmPicture> Look() = 0;
  // The ledger itself, as it stands at one moment.
  virtual Result<std::vector<LedgerRow>> ReadLedger() = 0;
  // SIGKILL.
  virtual Status Kill() = 0;
  virtual Status Restart() = 0;
};

// Time, and what happens while it passes.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual MonoTime Now() const = 0;
  virtual WallTime WallNow() const = 0;
  virtual void Sleep(std::chrono::milliseconds duration) = 0;
  // The operator wants the run to end.
  virtual bool Interrupted() const = 0;
};

}  // namespace seaward::chaos
