#include "host-notifier/ledger/verdict_cover.h"

#include <algorithm>

#include "protocol/page_set.h"

namespace seaward::ledger {
namespace {

using protocol::Outcome;
using protocol::VerdictRecord;

int Badness(Outcome outcome) {
  switch (outcome) {
    case Outcome::kRetired:
      return 0;
    case Outcome::kAlreadyRetired:
      return 1;
    case Outcome::kExcludedBeforeBoot:
      return 2;
    case Outcome::kNotRam:
      return 3;
    case Outcome::kDeferred:
      return 4;
    case Outcome::kBudgetExceeded:
      return 5;
    case Outcome::kInKernel:
      return 6;
    case Outcome::kFailed:
      return 7;
  }
  return 7;
}

std::optional<ByteRange> Common(const ByteRange& a, const ByteRange& b) {
  if (!a.Overlaps(b)) return std::nullopt;
  const GuestPhysAddr start = std::max(a.start(), b.start());
  const auto common = ByteRange::Make(start, std::min(a.last(), b.last()) - start.value + 1);
  return common ? std::optional(*common) : std::nullopt;
}

}  // namespace

std::optional<VerdictRecord> CoveringVerdict(const ByteRange& range,
                                             std::span<const VerdictRecord> newest_first) {
  protocol::PageSet answered;
  const VerdictRecord* worst = nullptr;
  for (const VerdictRecord& record : newest_first) {
    const auto part = Common(range, record.range);
    if (!part || answered.Contains(*part)) continue;
    answered.Insert(*part);
    if (worst == nullptr || Badness(record.outcome) > Badness(worst->outcome)) worst = &record;
  }
  if (worst == nullptr || !answered.Contains(range)) return std::nullopt;
  return *worst;
}

}  // namespace seaward::ledger
