// Memory that the agent sets aside while nothing is wrong, so that retiring a page never waits for
// the kernel to find one. Blocks of at most 8 KiB come from it as long as it lasts; everything
// else, and what is beyond it, from malloc, which is counted. Any thread.
//
// A program that links reserved_new.cc takes its `new` from here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seaward::agent {

inline constexpr std::size_t kReservedBytes = 224 << 10;

// Null only when malloc has nothing either.
void* TakeReserved(std::size_t bytes);
void GiveBackReserved(void* block);
// Touches every page of the reserve, so that it is there when it is needed.
void TouchReserve();
// How many blocks came from malloc since the start.
std::uint64_t UnreservedBlocks();

}  // namespace seaward::agent
