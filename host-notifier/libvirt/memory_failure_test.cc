#include "host-notifier/libvirt/memory_failure.h"

#include <gtest/gtest.h>
#include <libvirt/libvirt.h>

namespace seaward {
namespace {

TEST(MemoryFailure, NumbersOfLibvirtBecomeWords) {
  const auto guest = MemoryFailureOf(VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST,
                                     VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT,
                                     VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED);
  EXPECT_EQ(guest.recipient, "guest");
  EXPECT_EQ(guest.action, "inject");
  EXPECT_TRUE(guest.action_required);
  const auto host = MemoryFailureOf(VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_HYPERVISOR,
                                    VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_IGNORE,
                                    VIR_DOMAIN_MEMORY_FAILURE_RECURSIVE);
  EXPECT_EQ(host.recipient, "hypervisor");
  EXPECT_EQ(host.action, "ignore");
  EXPECT_FALSE(host.action_required);
}

TEST(MemoryFailure, NumbersOfANewerLibvirtAreUnknown) {
  const auto failure = MemoryFailureOf(1000, -1, 0);
  EXPECT_EQ(failure.recipient, "unknown");
  EXPECT_EQ(failure.action, "unknown");
}

}  // namespace
}  // namespace seaward
