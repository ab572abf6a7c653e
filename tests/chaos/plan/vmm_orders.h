// What a test may order of the process that is its VM's VMM, as a line of text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::chaos {

enum class Towards : std::uint8_t { kGuest, kHost };

// "garbage_to_host 5357"
std::string GarbageOrder(Towards towards, std::string_view bytes);
std::string LoseOrder(Towards towards, std::size_t bytes);
std::string RepeatOrder(Towards towards);
std::string CutOrder();
// A verdict that the guest did not give: in its present session, or in one that never was.
struct FalseVerdict {
  std::uint64_t entry = 0;
  ByteRange range = ByteRange::Granule({});
  protocol::Outcome outcome = protocol::Outcome::kRetired;
  bool of_this_session = false;
};
std::string VerdictOrder(const FalseVerdict& verdict);

// A consumed page, on that vCPU.
std::string PublishOrder(GuestPhysAddr page, std::uint32_t vcpu);

struct VmmOrder {
  enum class Kind : std::uint8_t { kGarbage, kLose, kRepeat, kCut, kVerdict, kPublish };
  Kind kind = Kind::kCut;
  GuestPhysAddr page;
  std::uint32_t vcpu = 0;
  Towards towards = Towards::kGuest;
  std::string bytes;
  std::size_t count = 0;
  FalseVerdict verdict;
};
std::optional<VmmOrder> ParseVmmOrder(std::string_view line);

}  // namespace seaward::chaos
