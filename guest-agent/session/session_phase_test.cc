#include "guest-agent/session/session_phase.h"

#include <gtest/gtest.h>

namespace seaward::agent {
namespace {

using A = SessionAction;
using E = SessionEvent;
using P = SessionPhase;

struct Cell {
  P phase;
  E event;
  SessionStep step;
};

constexpr Cell kTable[] = {
    {P::kNoHost, E::kHostConnected, {P::kGreeting, A::kGreet}},
    {P::kNoHost, E::kHostGone, {P::kNoHost, A::kNone}},
    {P::kNoHost, E::kHelloRequested, {P::kGreeting, A::kGreet}},
    {P::kNoHost, E::kAcknowledged, {P::kNoHost, A::kNone}},
    {P::kNoHost, E::kHelloDue, {P::kNoHost, A::kNone}},
    {P::kGreeting, E::kHostConnected, {P::kGreeting, A::kGreet}},
    {P::kGreeting, E::kHostGone, {P::kNoHost, A::kEnd}},
    {P::kGreeting, E::kHelloRequested, {P::kGreeting, A::kRepeatHello}},
    {P::kGreeting, E::kAcknowledged, {P::kLive, A::kBegin}},
    {P::kGreeting, E::kHelloDue, {P::kGreeting, A::kRepeatHello}},
    {P::kLive, E::kHostConnected, {P::kGreeting, A::kGreet}},
    {P::kLive, E::kHostGone, {P::kNoHost, A::kEnd}},
    {P::kLive, E::kHelloRequested, {P::kGreeting, A::kGreet}},
    {P::kLive, E::kAcknowledged, {P::kLive, A::kBegin}},
    {P::kLive, E::kHelloDue, {P::kLive, A::kNone}},
};

TEST(SessionPhase, EveryCellOfTheTable) {
  static_assert(std::size(kTable) == 3 * 5);
  for (const Cell& cell : kTable)
    EXPECT_EQ(Advance(cell.phase, cell.event), cell.step)
        << ToString(cell.phase) << " x " << static_cast<int>(cell.event);
}

}  // namespace
}  // namespace seaward::agent
