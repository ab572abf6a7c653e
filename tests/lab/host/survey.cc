#include "tests/lab/host/survey.h"

#include <algorithm>
#include <iterator>
#include <random>

namespace seaward::lab {
namespace {

std::vector<std::uint64_t> Frames(const std::vector<ByteRange>& ranges) {
  std::vector<std::uint64_t> frames;
  for (const ByteRange& range : ranges)
    for (std::uint64_t at = range.start().value; at < range.last(); at += kPoisonGranule)
      frames.push_back(at);
  std::sort(frames.begin(), frames.end());
  return frames;
}

std::vector<std::uint64_t> Both(const std::vector<std::uint64_t>& a,
                                const std::vector<std::uint64_t>& b) {
  std::vector<std::uint64_t> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace

Result<Choice> ChooseFrame(const std::vector<BootSurvey>& boots, std::uint64_t seed) {
  if (boots.empty()) return Fail(ErrorCode::kInvalid, "no boot was looked at");
  auto free = Frames(boots.front().free_at_init);
  auto candidates = Frames(boots.front().never_touched);
  for (const BootSurvey& boot : boots) {
    free = Both(free, Frames(boot.free_at_init));
    candidates = Both(candidates, Frames(boot.never_touched));
  }
  candidates = Both(candidates, free);
  if (candidates.empty()) return Fail(ErrorCode::kNotFound, "no frame is free in every boot");
  std::mt19937_64 random(seed);
  const std::size_t pick =
      std::uniform_int_distribution<std::size_t>(0, candidates.size() - 1)(random);
  return Choice{{candidates[pick]}, free.size(), candidates.size(), seed};
}

}  // namespace seaward::lab
