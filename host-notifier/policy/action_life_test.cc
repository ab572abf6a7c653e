#include "host-notifier/policy/action_life.h"

#include <gtest/gtest.h>

#include <string>

#include "base/file_io.h"

namespace seaward::policy {
namespace {

std::string Table() {
  std::string table = "| event \\ state |";
  for (const ActionState state : kAllActionStates)
    table += " " + std::string(ToString(state)) + " |";
  table += "\n|---|";
  for (std::size_t i = 0; i < std::size(kAllActionStates); ++i) table += "---|";
  for (const ActionEvent event : kAllActionEvents) {
    table += "\n| " + std::string(ToString(event)) + " |";
    for (const ActionState state : kAllActionStates) {
      const auto next = Advance(state, event);
      table += " " + (next ? std::string(ToString(*next)) : "-") + " |";
    }
  }
  return table + "\n";
}

TEST(ActionLife, TheTableInActionsMdIsTheCode) {
  const auto text = ReadTextFile(SEAWARD_SOURCE_DIR "/host-notifier/policy/actions.md", 1 << 16);
  ASSERT_TRUE(text) << text.error().Text();
  EXPECT_NE(std::string::npos, text->find(Table())) << "want:\n" << Table();
}

TEST(ActionLife, EveryOpenStateEndsAndNoOtherMoves) {
  for (const ActionState state : kAllActionStates) {
    bool moves = false;
    bool ends = false;
    for (const ActionEvent event : kAllActionEvents) {
      const auto next = Advance(state, event);
      moves |= next.has_value();
      ends |= next && !IsOpen(*next);
    }
    EXPECT_EQ(IsOpen(state), moves) << ToString(state);
    EXPECT_EQ(IsOpen(state), ends) << ToString(state);
  }
}

TEST(ActionLife, AStoppedVmIsNeverForgotten) {
  for (const ActionEvent event : kAllActionEvents) {
    const auto next = Advance(ActionState::kRestarting, event);
    if (!next || *next == ActionState::kRestarting) continue;
    EXPECT_TRUE(*next == ActionState::kDone || *next == ActionState::kFailed) << ToString(event);
  }
}

}  // namespace
}  // namespace seaward::policy
