#include "guest-agent/app/change_watcher.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>

namespace seaward::agent {
namespace {

using namespace std::string_literals;

TEST(MemoryNews, PluggedMemoryIsNews) {
  EXPECT_EQ(MemoryNewsIn("online@/devices/system/memory/memory40\0ACTION=online\0"s),
            "memory_hotplug");
  EXPECT_EQ(MemoryNewsIn("add@/devices/system/memory/memory40\0ACTION=add\0"s), "memory_hotplug");
}

TEST(MemoryNews, UnpluggedMemoryAndOtherDevicesAreNone) {
  EXPECT_FALSE(MemoryNewsIn("offline@/devices/system/memory/memory40\0ACTION=offline\0"s));
  EXPECT_FALSE(MemoryNewsIn("remove@/devices/system/memory/memory40\0"s));
  EXPECT_FALSE(MemoryNewsIn("online@/devices/system/cpu/cpu1\0ACTION=online\0"s));
  EXPECT_FALSE(MemoryNewsIn("libudev\0junk"s));
  EXPECT_FALSE(MemoryNewsIn(""));
}

TEST(MemoryNews, ANewGenerationOfTheMachineIsNews) {
  EXPECT_EQ(
      MemoryNewsIn("change@/devices/platform/vmgenid\0ACTION=change\0NEW_VMGENID=1\0SEQNUM=9\0"s),
      "new_generation");
  EXPECT_FALSE(MemoryNewsIn("change@/devices/x\0XNEW_VMGENID=1\0"s));
}

TEST(ChangeWatcher, IsSilentWhileNothingHappens) {
  auto watcher = ChangeWatcher::Open();
  ASSERT_TRUE(watcher) << watcher.error().Text();
  (void)watcher->Drain();
  pollfd clock{watcher->clock_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&clock, 1, 0), 0);
}

}  // namespace
}  // namespace seaward::agent
