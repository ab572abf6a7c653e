#include "host-notifier/session/phase.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/file_io.h"

namespace seaward::session {
namespace {

std::string CellOf(Phase phase, Event event) {
  const Step step = Advance(phase, event);
  std::string actions;
  for (int i = 0; i <= static_cast<int>(Action::kReportSynced); ++i) {
    const auto action = static_cast<Action>(i);
    if (!step.actions.Has(action)) continue;
    actions += actions.empty() ? "" : ", ";
    actions += ToString(action);
  }
  if (step.next == phase && actions.empty()) return "-";
  const std::string next =
      step.next == phase ? "stays" : "**" + std::string(ToString(step.next)) + "**";
  return actions.empty() ? next : next + ": " + actions;
}

std::string Table() {
  std::string table = "| event \\ phase |";
  for (const Phase phase : kAllPhases) table += " " + std::string(ToString(phase)) + " |";
  table += "\n|---|";
  for (std::size_t i = 0; i < std::size(kAllPhases); ++i) table += "---|";
  for (const Event event : kAllEvents) {
    table += "\n| " + std::string(ToString(event)) + " |";
    for (const Phase phase : kAllPhases) table += " " + CellOf(phase, event) + " |";
  }
  return table + "\n";
}

TEST(Phases, TheTableInPhasesMdIsTheCode) {
  const auto text = ReadTextFile(SEAWARD_SOURCE_DIR "/host-notifier/session/phases.md", 1 << 16);
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("\n" + Table()), std::string::npos) << "the code says:\n" << Table();
}

template <class Visit>
void EveryCell(Visit visit) {
  for (const Phase phase : kAllPhases) {
    for (const Event event : kAllEvents) {
      SCOPED_TRACE(std::string(ToString(phase)) + " x " + std::string(ToString(event)));
      visit(phase, event, Advance(phase, event));
    }
  }
}

TEST(Phases, OnlyAClosedChannelEndsInNoChannelAndOnlyAnOpenedOneLeavesIt) {
  EveryCell([](Phase phase, Event event, const Step& step) {
    if (event == Event::kChannelClosed) {
      EXPECT_EQ(step.next, Phase::kNoChannel);
    }
    if (phase == Phase::kNoChannel && event != Event::kChannelOpened) {
      EXPECT_EQ(step.next, Phase::kNoChannel);
    }
    if (phase != Phase::kNoChannel && event != Event::kChannelClosed) {
      EXPECT_NE(step.next, Phase::kNoChannel);
    }
  });
}

TEST(Phases, WithoutAChannelNothingIsSent) {
  for (const Event event : kAllEvents) {
    const Step step = Advance(Phase::kNoChannel, event);
    if (step.next == Phase::kNoChannel) {
      EXPECT_FALSE(step.actions.Has(Action::kPump));
    }
  }
}

TEST(Phases, ASessionStandsOnlyThroughAHelloAndAKnownSet) {
  EveryCell([](Phase phase, Event event, const Step& step) {
    if (Stands(phase) || !Stands(step.next)) return;
    EXPECT_EQ(phase, Phase::kGreeted);
    EXPECT_EQ(event, Event::kWantedKnown);
    EXPECT_TRUE(step.actions.Has(Action::kChoose));
    EXPECT_TRUE(step.actions.Has(Action::kOweWelcome));
    EXPECT_TRUE(step.actions.Has(Action::kOweSync));
  });
}

TEST(Phases, LeavingAStandingSessionAlwaysEndsIt) {
  EveryCell([](Phase phase, Event, const Step& step) {
    if (Stands(phase) && !Stands(step.next)) {
      EXPECT_TRUE(step.actions.Has(Action::kEnd));
    }
  });
}

TEST(Phases, WhatIsOwedIsPumpedInTheSameStep) {
  EveryCell([](Phase, Event, const Step& step) {
    for (const Action owed :
         {Action::kCall, Action::kResend, Action::kOweWelcome, Action::kOweSync, Action::kOwePing})
      if (step.actions.Has(owed)) {
        EXPECT_TRUE(step.actions.Has(Action::kPump));
      }
  });
}

TEST(Phases, NewPoisonIsSentInEveryPhaseOfASession) {
  for (const Phase phase : kAllPhases)
    EXPECT_EQ(Advance(phase, Event::kDelivered).actions.Has(Action::kPump), Stands(phase));
}

TEST(Phases, AnyWordOfTheGuestEndsProbingAndLoss) {
  for (const Phase phase : {Phase::kProbing, Phase::kLost})
    for (const Event event : {Event::kHeard, Event::kSameHello, Event::kAllAnswered})
      EXPECT_TRUE(Advance(phase, event).next == Phase::kSyncing ||
                  Advance(phase, event).next == Phase::kLive);
}

TEST(Phases, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (const Phase phase : kAllPhases) names.insert(ToString(phase));
  for (const Event event : kAllEvents) names.insert(ToString(event));
  EXPECT_EQ(names.size(), std::size(kAllPhases) + std::size(kAllEvents));
}

}  // namespace
}  // namespace seaward::session
