// Every bound and every time of a session, with the reason for its default.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace seaward::session {

struct SessionLimits {
  // First repetition of what the guest has not answered; doubles up to resend_max. A second is far
  // above a healthy answer (milliseconds) and short against a reboot.
  std::chrono::milliseconds resend_initial{1000};
  std::chrono::milliseconds resend_max{30'000};
  // How long a guest may be silent before it is pinged, and then again before it counts as lost.
  // 0: for ever; an idle guest then never wakes up.
  std::chrono::milliseconds heartbeat{0};
  // Unanswered entries without any news for so long are overdue, which people are told. By then
  // they were sent six times. 0: never.
  std::chrono::milliseconds verdict_deadline{60'000};
  // Sent and not yet proven to be read. Below the 64 KiB after which a libvirt stream blocks.
  std::size_t outstanding_bytes = 32 * 1024;
  // Pages that one guest may be told of. 256 MiB of 4 KiB pages: far beyond any sensible budget.
  std::size_t max_entries = 65'536;
  // Pieces into which a guest may cut its verdicts, over all entries.
  std::size_t max_verdict_pieces = 131'072;
  // What a guest may say that it knows, in one session; as many as an agent's journal holds.
  std::size_t max_known_records = 16'384;
  // Processes that lost pages, told at once and per second after that: each is a row of the ledger.
  // As many at once as it keeps of a VM.
  std::uint32_t loss_burst = 1000;
  std::uint32_t losses_per_second = 16;
  // New sessions that a guest may start at once, and per second after that: each costs a replay.
  std::uint32_t hello_burst = 8;
  std::uint32_t hellos_per_second = 1;
  // What is read from a guest: a full replay of 10,000 verdicts is 440 KB.
  std::size_t read_bytes_per_second = 1024 * 1024;
  std::size_t read_burst_bytes = 256 * 1024;
  // A byte of garbage counts as this many: finding frames in it costs more than reading frames.
  std::size_t garbage_cost = 16;
  // Unanswered hello requests per connection, so that they never fill a channel nobody reads.
  std::uint32_t max_calls = 64;
};

}  // namespace seaward::session
