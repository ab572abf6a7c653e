#include "tests/bench/free_frames.h"

#include <algorithm>
#include <random>

namespace seaward::bench {

Result<std::vector<GuestPhysAddr>> SpreadFrames(testing::TcgGuest& guest, std::size_t count) {
  constexpr std::uint64_t kPage = 4096;
  auto reply = guest.shell().Ask("free_frames");
  if (!reply) return Forward(reply);
  std::uint64_t first = 0;
  std::uint64_t pages = 0;
  for (const auto& range : (*reply)["ranges"]) {
    const std::uint64_t from = ParseAddress(range[0].get<std::string>()).value();
    const std::uint64_t to = ParseAddress(range[1].get<std::string>()).value();
    if ((to - from) / kPage <= pages) continue;
    first = from;
    pages = (to - from) / kPage;
  }
  if (pages < 2 * count) return Fail(ErrorCode::kLimit, "too little memory in one piece");
  std::vector<GuestPhysAddr> frames;
  for (std::size_t i = 0; i < count; ++i)
    frames.push_back(GuestPhysAddr{first + i * (pages / count) * kPage});
  return frames;
}

Result<std::vector<GuestPhysAddr>> ShuffledFrames(testing::TcgGuest& guest, std::size_t count) {
  constexpr std::uint32_t kShuffleSeed = 20;
  auto frames = SpreadFrames(guest, count);
  if (frames) std::shuffle(frames->begin(), frames->end(), std::mt19937(kShuffleSeed));
  return frames;
}

}  // namespace seaward::bench
