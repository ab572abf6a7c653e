// One line of the control socket, understood. Pure; the peer is anybody who may open the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::observe {

inline constexpr std::size_t kMaxRequestBytes = 4096;
inline constexpr std::uint32_t kMaxEventsPerReply = 10000;
inline constexpr std::uint32_t kDefaultEvents = 100;
// One page row of the ledger holds no more (ledger_limits.h).
inline constexpr std::uint64_t kMaxReportBytes = std::uint64_t{1} << 30;
// Arm: guest physical addresses have at most 52 bits.
inline constexpr std::uint64_t kTopGuestAddress = (std::uint64_t{1} << 52) - 1;

// `vm` is a name or a UUID everywhere; nullopt: all.
struct StatusRequest {
  std::optional<std::string> vm;
};
struct EventsRequest {
  std::optional<std::string> vm;
  std::uint64_t after_id = 0;  // 0: the newest ones
  std::uint32_t limit = kDefaultEvents;
};
struct WatchRequest {
  std::optional<std::string> vm;
};
struct DomainRequest {
  std::string vm;
};
struct MigrationRequest {
  std::string vm;
};
struct ReportRequest {
  std::string vm;
  ByteRange range = ByteRange::Granule({});
  protocol::Evidence evidence = protocol::Evidence::kLatent;
};

using ControlRequest = std::variant<StatusRequest, EventsRequest, WatchRequest, DomainRequest,
                                    MigrationRequest, ReportRequest>;

// {"op":"report","vm":"g1","gpa":"0x4711000","length_bytes":4096,"evidence":"latent"}
// kInvalid, with a text for the person, for anything else than CONTRACT.md describes.
Result<ControlRequest> ParseControlRequest(std::string_view line);

}  // namespace seaward::observe
