// A retirement desk in front of a fake kernel, with the verbs of its tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/fake_clock.h"
#include "guest-agent/retire/fake_kernel.h"
#include "guest-agent/retire/retirement_desk.h"

namespace seaward::agent {

class DeskTest : public ::testing::Test {
 protected:
  static constexpr GuestPhysAddr kPage{0x40300000};

  void Start(PageSize size = {}, RetirementLimits limits = {},
             std::optional<NumaNodes> nodes = std::nullopt) {
    kernel_ = std::make_unique<FakeKernel>(size);
    retirer_ = std::make_unique<PageRetirer>(*kernel_, *kernel_, record_, clock_, size,
                                             protocol::Stage::kRun);
    AgentRestarts(limits, std::move(nodes));
  }
  void AgentRestarts(RetirementLimits limits = {}, std::optional<NumaNodes> nodes = std::nullopt) {
    desk_ = std::make_unique<RetirementDesk>(*kernel_, *retirer_, clock_, limits, std::move(nodes));
  }
  static protocol::PoisonEntry Entry(std::uint64_t id, std::uint64_t start,
                                     std::uint64_t length = 4096,
                                     protocol::Evidence evidence = protocol::Evidence::kConsumed) {
    return protocol::PoisonEntry{.id = id,
                                 .range = ByteRange::Make(GuestPhysAddr{start}, length).value(),
                                 .evidence = evidence};
  }
  RetirementProgress Report(const protocol::PoisonEntry& entry) {
    EXPECT_TRUE(desk_->Submit(entry));
    return desk_->Work(1000);
  }
  // The outcome of an entry that one record covers.
  protocol::Outcome Dealt(const protocol::PoisonEntry& entry) {
    const auto progress = Report(entry);
    EXPECT_THAT(progress.records, ::testing::SizeIs(1));
    EXPECT_EQ(progress.records.front().range, entry.range);
    return progress.records.front().outcome;
  }

  FakeClock clock_;
  NoRecord record_;
  std::unique_ptr<FakeKernel> kernel_;
  std::unique_ptr<PageRetirer> retirer_;
  std::unique_ptr<RetirementDesk> desk_;
};

}  // namespace seaward::agent
