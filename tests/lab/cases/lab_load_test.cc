// Many pages, many exits, several guests, and processes of the host that die in between.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::size_t kManyPages = 64;

class Load : public LabFixture {
 protected:
  Json VmOf(const NestedGuest& guest) {
    auto status = lab_->Seawardctl("status --vm " + guest.name());
    EXPECT_TRUE(status) << status.error().Text();
    return status ? status->at("vms").at(0) : Json::object();
  }
  // CPU time that the notifier has used so far, and the host's uptime, seconds.
  std::pair<double, double> NotifierTime() {
    auto text = lab_->host().Shell(
        "p=$(pidof seaward-notifier); awk '{print ($14+$15)/100}' /proc/$p/stat; "
        "cut -d' ' -f1 /proc/uptime",
        kSettles);
    EXPECT_TRUE(text) << text.error().Text();
    double used = 0, uptime = 0;
    if (text) std::istringstream(*text) >> used >> uptime;
    return {used, uptime};
  }
};

TEST_F(Load, SixtyFourPagesAtOnce) {
  NestedGuest* guest = StartGuest({.name = "many"});
  ASSERT_NE(guest, nullptr);
  auto victim = guest->Ask("victim_start", {{"pages", kManyPages}}, kGuestWork);
  ASSERT_TRUE(victim) << victim.error().Text();
  for (const auto& page : victim->at("pages")) {
    const auto bad = MakeBad(*guest, {*ParseAddress(page.get<std::string>())});
    ASSERT_TRUE(bad) << bad.error().Text();
  }
  auto touched = guest->Ask("victim_touch_all", {{"pid", victim->at("pid")}}, kGuestWork);
  ASSERT_TRUE(touched) << touched.error().Text();
  EXPECT_EQ(touched->at("bad"), kManyPages) << "each page felt once, by a process that goes on";
  Json pages;
  const auto all_retired = [&] {
    pages = VmOf(*guest).value("pages", Json::array());
    return pages.size() == kManyPages && std::all_of(pages.begin(), pages.end(), [](const Json& p) {
             return p.at("outcome") == "retired";
           });
  };
  EXPECT_TRUE(testing::WaitUntil(all_retired, kSettles)) << pages.dump(1);
}

// A process that catches SIGBUS and tries again for ever, in a guest that does nothing about it.
TEST_F(Load, AStormIsCoalescedAndBounded) {
  NestedGuest* guest = StartGuest({.name = "storm", .guarded = false});
  ASSERT_NE(guest, nullptr);
  auto victim = StartVictim(*lab_, *guest, {});
  ASSERT_TRUE(victim) << victim.error().Text();
  ASSERT_TRUE(MakeBad(victim->page, victim->backing));
  ASSERT_TRUE(guest->Ask("victim_loop", {{"pid", victim->pid}, {"survive", true}}, kSettles));
  const auto many = [&] { return lab_->AbortsOn(victim->page) > 50; };
  ASSERT_TRUE(testing::WaitUntil(many, kSettles)) << lab_->AbortsOn(victim->page) << " aborts";
  const auto [used, at] = NotifierTime();
  const std::uint64_t aborts = lab_->AbortsOn(victim->page);
  const auto more = [&] { return NotifierTime().second > at + 20; };
  ASSERT_TRUE(testing::WaitUntil(more, kSettles));
  const auto [used_later, later] = NotifierTime();
  EXPECT_LT((used_later - used) / (later - at), 0.05) << "the notifier's share of a CPU";
  EXPECT_GT(lab_->AbortsOn(victim->page), aborts) << "the storm goes on";
  const Json vm = VmOf(*guest);
  EXPECT_EQ(vm.at("pages").size(), 1u);
  EXPECT_GT(vm.at("events").at("rests").get<int>(), 0) << "the vCPU is slowed down";
  const auto alive = guest->AskAgain("status", Json::object(), kSettles);
  EXPECT_TRUE(alive) << "the guest answers through the storm: " << alive.error().Text();
}

TEST_F(Load, TwoGuestsHaveEachTheirOwnPages) {
  NestedGuest* one = StartGuest({.name = "one"});
  NestedGuest* two = StartGuest({.name = "two"});
  ASSERT_TRUE(one != nullptr && two != nullptr);
  const auto first = ConsumeOnce(*one);
  const auto second = ConsumeOnce(*two);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(ExpectPage(*one, "outcome", "retired").at("gpa"), FormatAddress(first->page.value));
  EXPECT_EQ(ExpectPage(*two, "outcome", "retired").at("gpa"), FormatAddress(second->page.value));
}

TEST_F(Load, WhatHappensWhileNoNotifierIsThereWaitsInTheRing) {
  NestedGuest* guest = StartGuest({.name = "patient"});
  ASSERT_NE(guest, nullptr);
  ASSERT_TRUE(lab_->notifier().Kill());
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  ASSERT_TRUE(lab_->StartNotifier({}));
  const Json page = ExpectPage(*guest, "outcome", "retired");
  EXPECT_EQ(page.at("gpa"), FormatAddress(victim->page.value));
}

TEST_F(Load, AVmmThatIsKilledLeavesItsBadFrameToNobody) {
  NestedGuest* guest = StartGuest({.name = "killed"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  const HostPhysAddr frame = RecordedFrame(ExpectPage(*guest, "outcome", "retired"));
  const auto before = CorruptedInHost(*lab_);
  ASSERT_TRUE(before);
  ASSERT_TRUE(guest->KillVmm());
  guests_.clear();
  const auto retired = WaitRetiredInHost(*lab_, *before);
  EXPECT_TRUE(retired) << retired.error().Text();
  EXPECT_FALSE(IsGivenToAnybodyInTheHost(frame));
}

}  // namespace
}  // namespace seaward::lab
