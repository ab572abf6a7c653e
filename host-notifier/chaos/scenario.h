// What is to go wrong with a VM of the operator's own, as a person wrote it: a scenario file as a
// validated, immutable value. docs/CONTRACT.md lists every key.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml/map_reader.h"
#include "protocol/messages.h"

namespace seaward::chaos {

enum class Act : std::uint8_t {
  kPoison,           // memory goes bad
  kPoisonAgain,      // memory that is bad already does so once more
  kPause,            // the host holds the VM
  kResume,           // and lets it go
  kReset,            // the reset line
  kReboot,           // the guest is asked to boot again
  kKillAgent,        // SIGKILL, inside the guest
  kKillNotifier,     // SIGKILL
  kRestartNotifier,  // by the service manager
  kWait,
  kSettle,  // wait until every bad page has its final verdict
};
std::string_view ToString(Act act);

// How memory goes bad.
enum class PoisonWay : std::uint8_t {
  kReport,       // made up: the notifier is told of it, the memory is good
  kGuestInject,  // the guest's kernel is told first, by hwpoison-inject; then the notifier
  kHostFrame,    // the host retires the frame, for good: real
};
std::string_view ToString(PoisonWay way);

// What the operator of a VM must have allowed in its metadata (host-notifier/libvirt/chaos_mark.h).
enum class Permission : std::uint8_t {
  kMemory,      // pages of the guest are lost to it until it boots with new memory
  kMachine,     // it is paused, reset, rebooted
  kAgent,       // processes inside it are killed
  kNotifier,    // the notifier is killed or restarted: for all VMs of the host
  kHostMemory,  // frames of the host are lost to it until it boots, and the VM may die of it
};
std::string_view ToString(Permission permission);
Result<Permission> ParsePermission(std::string_view word);

struct ActPattern {
  Act act = Act::kSettle;
  PoisonWay way = PoisonWay::kReport;
  protocol::Evidence evidence = protocol::Evidence::kLatent;
  std::uint32_t pages = 1;
  std::chrono::seconds wait{0};
  std::uint32_t weight = 1;  // how often it is drawn, among the others
};

// What an act does to whom.
Permission NeededFor(const ActPattern& pattern);
// False for acts that harm nothing: they need no permission.
bool IsHarmful(Act act);
// Without a guest that runs, the act would wait in vain.
bool NeedsRunningGuest(const ActPattern& pattern);

enum class Order : std::uint8_t {
  kListed,  // as written, `rounds` times
  kDrawn,   // `draw` of them, by chance
};

struct Scenario {
  std::string about{};
  Order order = Order::kListed;
  std::uint32_t rounds = 1;
  std::uint32_t draw = 0;
  // Between two steps, by chance.
  std::chrono::milliseconds pace_min{0};
  std::chrono::milliseconds pace_max{0};
  // Where pages are chosen; length 0: as much as the domain has.
  GuestPhysAddr memory_start{};
  std::uint64_t memory_bytes = 0;
  std::chrono::seconds settle_limit{0};
  std::vector<ActPattern> steps{};
};

// All errors at once, each with line and column; a file that cannot be read is one of them.
yaml::Loaded<Scenario> LoadScenario(const std::string& path);
// The same from memory; `file` is only the name in diagnostics.
yaml::Loaded<Scenario> ParseScenario(const std::string& file, std::string_view text);
// Every key that the loader accepts, with its default.
std::vector<yaml::KeySpec> DescribeScenario();

}  // namespace seaward::chaos
