// Orders to replace the memory behind one guest page, and what became of them. They travel over the
// attach connection after it was accepted, one message each: orders from the notifier, answers from
// the VMM. Sent only to a VMM whose ring says kTakesHealOrders; an older one would hang up.
//
// Orders are worth as much as the connection they came over: when it ends, the VMM forgets them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace seaward::vmm {

inline constexpr std::uint32_t kHealOrderMagic = 0x4f485753;   // "SWHO"
inline constexpr std::uint32_t kHealAnswerMagic = 0x41485753;  // "SWHA"
inline constexpr std::uint16_t kHealVersion = 1;
inline constexpr std::size_t kHealOrderBytes = 32;
inline constexpr std::size_t kHealAnswerBytes = 16;

enum class HealWhen : std::uint8_t {
  kNow = 1,      // the guest does not use the page any more
  kAtReset = 2,  // when the guest is reset, before it runs again
};

struct HealOrder {
  std::uint64_t id = 0;  // of the answer
  GuestPhysAddr page;    // one granule
  // Where it was at the exit. The VMM refuses when its own memory map says otherwise: nobody but
  // the VMM decides which addresses are the guest's.
  HostVirtAddr host;
  HealWhen when = HealWhen::kNow;
};

enum class HealResult : std::uint8_t {
  kReplaced = 1,  // the VMM's word; the notifier looks for itself
  kStanding = 2,  // to be carried out at the reset; a second answer follows
  // Refused.
  kNotMapped = 16,            // no memory slot of the VM has the page there
  kNotPrivateAnonymous = 17,  // a file, shared memory, huge pages: others have the frame as well
  kUserfaultfd = 18,          // somebody else provides the pages
  kVfio = 19,                 // a device may have the frame pinned and go on using it
  kIoUring = 20,              // registered buffers are pinned as well
  kVcpusRunning = 21,         // at the reset
  kLargerPage = 22,           // the host's page holds more than the guest's
  kFailed = 23,               // the system refused
};
inline constexpr HealResult kAllHealRefusals[] = {
    HealResult::kNotMapped,   HealResult::kNotPrivateAnonymous,
    HealResult::kUserfaultfd, HealResult::kVfio,
    HealResult::kIoUring,     HealResult::kVcpusRunning,
    HealResult::kLargerPage,  HealResult::kFailed};

struct HealAnswer {
  std::uint64_t id = 0;
  HealResult result = HealResult::kFailed;
};

std::array<std::byte, kHealOrderBytes> EncodeHealOrder(const HealOrder& order);
Result<HealOrder> DecodeHealOrder(std::span<const std::byte> bytes);
std::array<std::byte, kHealAnswerBytes> EncodeHealAnswer(const HealAnswer& answer);
Result<HealAnswer> DecodeHealAnswer(std::span<const std::byte> bytes);
std::string_view ToString(HealResult result);

}  // namespace seaward::vmm
