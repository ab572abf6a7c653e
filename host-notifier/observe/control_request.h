// One line of the control socket, understood. Pure; the peer is anybody who may open the socket.
#pragma once

#include <chrono>
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
inline constexpr std::size_t kMaxReasonBytes = 1024;
inline constexpr std::uint32_t kMaxDrainSeconds = 3600;
inline constexpr std::uint32_t kDefaultDrainSeconds = 30;
// One page row of the ledger holds no more (ledger_limits.h).
inline constexpr std::uint64_t kMaxReportBytes = std::uint64_t{1} << 30;
// Arm: guest physical addresses have at most 52 bits.
inline constexpr std::uint64_t kTopGuestAddress = (std::uint64_t{1} << 52) - 1;

// Arm: physical addresses have at most 52 bits, a frame at least 4 KiB.
inline constexpr std::uint64_t kTopHostFrame = (std::uint64_t{1} << 40) - 1;

// `vm` is a name or a UUID everywhere; nullopt: all.
struct StatusRequest {
  std::optional<std::string> vm;
  bool with_pages = true;
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
struct ExplainRequest {
  std::string vm;
};
struct ReportRequest {
  std::string vm;
  ByteRange range = ByteRange::Granule({});
  protocol::Evidence evidence = protocol::Evidence::kLatent;
};

// The same by a frame of the host's memory, of whichever VM has it.
struct ReportFrameRequest {
  PageFrame frame;
  protocol::Evidence evidence = protocol::Evidence::kLatent;
};

// An operator says that pages inside `range` are good memory.
struct ClearRequest {
  std::string vm;
  ByteRange range = ByteRange::Granule({});
  std::string reason;
  std::string who;  // what they call themselves
};
struct ReplayRequest {
  std::string vm;
};
struct DrainRequest {
  bool end = false;  // go on
  std::chrono::seconds wait{0};
};
struct AuditRequest {
  std::uint32_t limit = kDefaultEvents;
};
struct ExportRequest {};
// Lines follow the request (record_lines.h) until the client has said all.
struct ImportRequest {
  std::string who;
};

using ControlRequest =
    std::variant<StatusRequest, EventsRequest, WatchRequest, DomainRequest, MigrationRequest,
                 ExplainRequest, ReportRequest, ReportFrameRequest, ClearRequest, ReplayRequest,
                 DrainRequest, AuditRequest, ExportRequest, ImportRequest>;

// {"op":"report","host_frame":"0x4711","evidence":"latent"}
// {"op":"report","vm":"g1","gpa":"0x4711000","length_bytes":4096,"evidence":"latent"}
// kInvalid, with a text for the person, for anything else than CONTRACT.md describes.
Result<ControlRequest> ParseControlRequest(std::string_view line);

}  // namespace seaward::observe
