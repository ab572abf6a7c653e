#include "host-notifier/vmm/page_healer.h"

#include <thread>

#include "host-notifier/vmm/heal_fixture.h"

namespace seaward::vmm {
namespace {

TEST_F(HealedVmm, GetsAFreshPageAndKeepsTheOthers) {
  StartVmOnItsOwnMemory();
  EXPECT_EQ(OrderNow(3), HealResult::kReplaced);
  EXPECT_EQ(FreshPages(), "3");
  memory_[3 * kPage] = kContent;  // memory like any other
  EXPECT_EQ(memory_[3 * kPage], kContent);
}

#ifndef SEAWARD_SANITIZED  // sanitizers map memory of their own, and make mlock(2) do nothing
TEST_F(HealedVmm, KeepsTheBadFrameFromEverybody) {
  StartVmOnItsOwnMemory();
  const auto mapped = [] {
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    unsigned long size = 0;
    EXPECT_EQ(std::fscanf(file, "%lu", &size), 1);
    std::fclose(file);
    return size;
  };
  const auto before = mapped();
  ASSERT_EQ(OrderNow(3), HealResult::kReplaced);
  EXPECT_EQ(mapped(), before + 1) << "the frame stays with this process";
}

TEST_F(HealedVmm, KeepsItsMemoryLocked) {
  StartVmOnItsOwnMemory();
  ASSERT_EQ(::mlock(memory_, kBytes), 0);
  ASSERT_EQ(OrderNow(3), HealResult::kReplaced);
  EXPECT_EQ(FreshPages(), "3");
  std::vector<PageToReplace> pages;
  for (std::size_t i = 0; i < kPages; ++i)
    pages.push_back({.address = OrderFor(i).host, .refusal = {}});
  JudgePages(pages, Look::kThorough, proc_self_);
  for (const PageToReplace& page : pages) EXPECT_TRUE(page.locked);
}
#endif

TEST_F(HealedVmm, IsHealedAtItsResetAndNotBefore) {
  StartVmOnItsOwnMemory();
  EXPECT_EQ(Order(OrderFor(2, HealWhen::kAtReset)), HealResult::kStanding);
  EXPECT_EQ(Order(OrderFor(5, HealWhen::kAtReset)), HealResult::kStanding);
  Run(kVcpu);
  EXPECT_EQ(FreshPages(), "");
  kvm_.looks_.clear();
  InitVcpu(kVcpu);
  EXPECT_EQ(FreshPages(), "25");
  EXPECT_EQ(kvm_.looks_, std::vector{Look::kQuick}) << "one look, and none that takes long";
  EXPECT_EQ(sink().told_results, 1);
  const auto results = sink().orders->TakeResults();
  ASSERT_EQ(results.size(), 2u);
  for (const HealAnswer& result : results) EXPECT_EQ(result.result, HealResult::kReplaced);
  EXPECT_EQ(results[0].id, OrderFor(2).id);
  EXPECT_TRUE(sink().orders->TakeResults().empty()) << "told once";
  std::memset(memory_, kContent, kBytes);  // the images of the next boot
  Run(kVcpu);
  InitVcpu(kVcpu);
  EXPECT_EQ(FreshPages(), "") << "an order is carried out once";
}

TEST_F(HealedVmm, ResetsWithTheLastOfTheVcpusThatRan) {
  StartVmOnItsOwnMemory();
  CreateVcpu(kVm, 1, 12);
  CreateVcpu(kVm, 2, 13);  // never runs
  InitVcpu(12);
  InitVcpu(13);
  Run(12);
  ASSERT_EQ(Order(OrderFor(2, HealWhen::kAtReset)), HealResult::kStanding);
  InitVcpu(13);
  InitVcpu(kVcpu);
  EXPECT_EQ(FreshPages(), "") << "vCPU 1 goes on: no reset";
  Run(kVcpu);
  InitVcpu(12);
  EXPECT_EQ(FreshPages(), "") << "vCPU 0 ran again";
  InitVcpu(kVcpu);
  EXPECT_EQ(FreshPages(), "2");
}

TEST_F(HealedVmm, ForgetsWhatANotifierOrderedThatIsGone) {
  StartVmOnItsOwnMemory();
  ASSERT_EQ(Order(OrderFor(2, HealWhen::kAtReset)), HealResult::kStanding);
  sink().orders->ForgetOrders();
  InitVcpu(kVcpu);
  EXPECT_EQ(FreshPages(), "");
  EXPECT_EQ(sink().told_results, 0);
}

TEST_F(HealedVmm, TakesNoMoreStandingOrdersThanAResetMayWaitFor) {
  StartVmOnItsOwnMemory();
  HealOrder order = OrderFor(2, HealWhen::kAtReset);
  for (std::size_t i = 0; i < PageHealer::kMostStanding; ++i) {
    order.id = i + 1;
    ASSERT_EQ(Order(order), HealResult::kStanding);
  }
  EXPECT_EQ(Order(order), HealResult::kStanding) << "the same once more";
  order.id += 1;
  EXPECT_EQ(Order(order), HealResult::kFailed);
}

// The keeper heals while vCPUs run and the VMM changes its memory.
TEST_F(HealedVmm, HealsBesideRunningVcpusAndMovingMemory) {
  StartVmOnItsOwnMemory();
  kvm_.really_set_aside_ = false;
  std::jthread keeper([&] {
    for (int i = 0; i < 50; ++i) {
      const HealWhen when = i % 2 == 0 ? HealWhen::kNow : HealWhen::kAtReset;
      const HealResult result = Order(OrderFor(static_cast<std::size_t>(i) % kPages, when));
      EXPECT_TRUE(result == HealResult::kReplaced || result == HealResult::kStanding ||
                  result == HealResult::kNotMapped);
      sink().orders->TakeResults();
    }
  });
  for (int i = 0; i < 50; ++i) {
    SetRam(i % 2 == 0 ? kBytes / 2 : kBytes);
    Run(kVcpu);
    InitVcpu(kVcpu);
  }
}

}  // namespace
}  // namespace seaward::vmm
