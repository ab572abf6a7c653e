#include "host-notifier/libvirt/chaos_mark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward {
namespace {

using ::testing::ElementsAre;

TEST(ChaosMark, IsTheWordsOfItsAttribute) {
  EXPECT_THAT(*ChaosWordsOf("<chaos allow='memory  machine'/>"), ElementsAre("memory", "machine"));
  EXPECT_THAT(*ChaosWordsOf("<!-- ask Ann --><seaward:chaos xmlns:seaward='urn:seaward:chaos:1' "
                            "allow='notifier'/>"),
              ElementsAre("notifier"));
  EXPECT_THAT(*ChaosWordsOf("<chaos allow=''/>"), ElementsAre());
}

TEST(ChaosMark, IsNothingElse) {
  for (const char* element : {"", "<chaos/>", "<policy allow='memory'/>", "<chaos allow='memory'>",
                              "memory", "<a><chaos allow='memory'/></a>"})
    EXPECT_FALSE(ChaosWordsOf(element)) << element;
}

}  // namespace
}  // namespace seaward
