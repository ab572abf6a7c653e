#include "host-notifier/libvirt/domain_policy.h"

#include <gtest/gtest.h>

namespace seaward {
namespace {

TEST(PolicyText, KeepsEverySpaceAndLine) {
  EXPECT_EQ(PolicyTextOf("<seaward:policy xmlns:seaward=\"urn:seaward:policy:1\">\n"
                         "rules:\n"
                         "  - {name: a, when: pages, at_least: 3}  # 2 &lt; 3\n"
                         "</seaward:policy>"),
            "\nrules:\n  - {name: a, when: pages, at_least: 3}  # 2 < 3\n");
  EXPECT_EQ(PolicyTextOf("<policy/>"), "");
}

TEST(PolicyText, IsNothingWhereThereIsNoElement) {
  EXPECT_EQ(PolicyTextOf(""), std::nullopt);
  EXPECT_EQ(PolicyTextOf("<policy>"), std::nullopt);
  EXPECT_EQ(PolicyTextOf("<policy>" + std::string(300 << 10, ' ') + "</policy>"), std::nullopt);
}

}  // namespace
}  // namespace seaward
