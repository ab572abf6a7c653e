// What a run did and found: everything that the reports tell. Times are milliseconds since the run
// began.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "host-notifier/chaos/scenario.h"

namespace seaward::chaos {

using std::chrono::milliseconds;

enum class ActEnd : std::uint8_t {
  kDone,
  kSkipped,  // this guest, domain or host cannot do it
  kFailed,   // it should have been possible
};
std::string_view ToString(ActEnd end);

struct ActRecord {
  std::string words{};  // Describe(act)
  Act act = Act::kSettle;
  milliseconds began{0};
  milliseconds took{0};
  ActEnd end = ActEnd::kDone;
  std::string detail{};  // why it was not done
};

// One page that went bad, and what became of it.
struct PageRecord {
  GuestPhysAddr page{};
  PoisonWay way = PoisonWay::kReport;
  protocol::Evidence evidence = protocol::Evidence::kLatent;  // of the newest news
  milliseconds bad_at{0};
  std::uint32_t told = 0;  // how often the notifier took the news
  std::string life{};      // words of docs/CONTRACT.md; empty: the notifier does not know it
  std::string outcome{};
  std::optional<milliseconds> final_at{};  // seen at rest, until the next boot
  std::optional<std::uint64_t> exposure_us{};
};

struct BootRecord {
  std::string boot_id{};
  milliseconds at{0};
};

struct CheckRecord {
  std::string name{};
  bool held = true;
  std::string detail{};
};

struct RunRecord {
  std::string scenario{};
  std::string about{};
  std::string vm{};
  std::string vm_uuid{};
  std::uint64_t seed = 0;
  WallTime began{};
  milliseconds took{0};
  bool interrupted = false;
  std::vector<ActRecord> acts{};
  std::vector<PageRecord> pages{};
  std::vector<BootRecord> boots{};  // seen behind the one in which the run began
  std::vector<CheckRecord> checks{};
  std::uint64_t news_told = 0;     // of pages, taken by the notifier
  std::uint64_t news_refused = 0;  // and not
  std::uint64_t losses_counted = 0;
  std::uint64_t losses_silent = 0;

  // Every check held, and nothing that was possible was left undone.
  bool Passed() const;
  // "passed", "failed" or "interrupted".
  std::string_view Word() const;
  std::size_t RetiredPages() const;
  // When it began, for people and tools: UTC.
  std::tm BeganUtc() const;
};

constexpr double Seconds(milliseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}

}  // namespace seaward::chaos
