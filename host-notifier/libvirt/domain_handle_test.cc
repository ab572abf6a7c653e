// One domain of libvirt's test driver, seen by a second connection: test:///default is one driver
// per process.
#include "host-notifier/libvirt/domain_handle.h"

#include <gtest/gtest.h>

#include "host-notifier/libvirt/chaos_mark.h"

namespace seaward {
namespace {

class DomainHandleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    operator_ = virConnectOpen("test:///default");
    ASSERT_NE(nullptr, operator_);
    domain_ = virDomainLookupByName(operator_, "test");
    auto opened = DomainHandle::Open("test:///default", "test");
    ASSERT_TRUE(opened) << opened.error().Text();
    handle_ = std::move(*opened);
  }
  void TearDown() override {
    handle_.reset();
    if (domain_ != nullptr) virDomainFree(domain_);
    if (operator_ != nullptr) virConnectClose(operator_);
  }
  int StateSeenByOthers() {
    int state = 0;
    int reason = 0;
    EXPECT_EQ(0, virDomainGetState(domain_, &state, &reason, 0));
    return state;
  }

  virConnectPtr operator_ = nullptr;
  virDomainPtr domain_ = nullptr;
  std::unique_ptr<DomainHandle> handle_;
};

TEST_F(DomainHandleTest, HoldsTheDomainAndLetsItGo) {
  ASSERT_TRUE(handle_->Pause());
  EXPECT_EQ(VIR_DOMAIN_PAUSED, StateSeenByOthers());
  EXPECT_TRUE(handle_->Look()->paused);
  EXPECT_TRUE(handle_->Look()->running);
  EXPECT_FALSE(handle_->Pause()) << "it is paused already";
  ASSERT_TRUE(handle_->Resume());
  EXPECT_EQ(VIR_DOMAIN_RUNNING, StateSeenByOthers());
  EXPECT_FALSE(handle_->Look()->paused);
  EXPECT_EQ(handle_->MemoryBytes().value(), std::uint64_t{8} << 30);
}

TEST_F(DomainHandleTest, IsFoundByItsUuidToo) {
  const auto found = DomainHandle::Open("test:///default", FormatUuid(handle_->uuid()));
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->name(), "test");
  const auto nobody = DomainHandle::Open("test:///default", "nobody");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::kNotFound);
  const auto nowhere = DomainHandle::Open("qemu+unix:///system?socket=/nonexistent", "test");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::kClosed);
}

TEST_F(DomainHandleTest, ReadsTheMetadataOfOneNamespace) {
  EXPECT_EQ(handle_->Metadata(kChaosNamespace).value(), std::nullopt);
  ASSERT_EQ(0, virDomainSetMetadata(domain_, VIR_DOMAIN_METADATA_ELEMENT,
                                    "<chaos allow='memory machine'/>", "seaward", kChaosNamespace,
                                    VIR_DOMAIN_AFFECT_LIVE));
  const auto element = handle_->Metadata(kChaosNamespace);
  ASSERT_TRUE(element && *element);
  EXPECT_EQ(ChaosWordsOf(**element).value(), (std::vector<std::string>{"memory", "machine"}));
  EXPECT_EQ(handle_->Metadata("urn:seaward:policy:1").value(), std::nullopt);
  ASSERT_EQ(0, virDomainSetMetadata(domain_, VIR_DOMAIN_METADATA_ELEMENT, nullptr, nullptr,
                                    kChaosNamespace, VIR_DOMAIN_AFFECT_LIVE));
}

TEST_F(DomainHandleTest, WhatTheDriverCannotDoIsSaid) {
  const auto answer =
      handle_->AskGuestAgent(R"({"execute":"guest-ping"})", std::chrono::seconds(1));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(handle_->AskMonitor("info status"));
}

}  // namespace
}  // namespace seaward
