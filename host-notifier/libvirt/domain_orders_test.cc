// Orders to domains of libvirt's test driver, seen by a second connection: test:///default is one
// driver per process.
#include <gtest/gtest.h>
#include <libvirt/libvirt.h>

#include <cstdlib>
#include <optional>

#include "host-notifier/libvirt/domain_policy.h"
#include "host-notifier/libvirt/libvirt_source.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

constexpr char kTransientUuid[] = "00000000-0000-0000-0000-0000000000aa";
constexpr char kTransient[] =
    "<domain type='test'><name>passing</name>"
    "<uuid>00000000-0000-0000-0000-0000000000aa</uuid><memory>65536</memory>"
    "<os><type>hvm</type></os></domain>";

class Recorder final : public DomainListener {
 public:
  void DomainSeen(const DomainDescription& d) override { seen.push_back(d); }
  void DomainShuttingDown(const Uuid&) override {}
  void DomainGone(const Uuid&, DomainEnd) override { ++gone; }
  void DomainRebooted(const Uuid&) override {}
  void DomainResumed(const Uuid&) override {}
  void DomainMetMemoryFailure(const Uuid&, const DomainMemoryFailure&) override {}
  void LibvirtReachable(bool, const std::string&) override {}
  std::vector<DomainDescription> seen;
  int gone = 0;
};

class DomainOrdersTest : public LoopTest {
 protected:
  void SetUp() override {
    auto source = LibvirtSource::Start(
        loop_, {.uri = "test:///default", .channel_name = "org.seaward.agent.0"}, recorder_);
    ASSERT_TRUE(source) << source.error().Text();
    source_ = std::move(*source);
    RunUntil([this] { return !recorder_.seen.empty(); });
    operator_ = virConnectOpen("test:///default");
    ASSERT_NE(nullptr, operator_);
    domain_ = virDomainLookupByName(operator_, "test");
    uuid_ = recorder_.seen[0].uuid;
  }
  void TearDown() override {
    source_.reset();
    if (domain_ != nullptr) virDomainFree(domain_);
    if (operator_ != nullptr) virConnectClose(operator_);
  }

  template <class Answer>
  Answer Wait(const std::function<void(std::function<void(Answer)>)>& ask) {
    std::optional<Answer> answer;
    ask([&](Answer said) { answer = std::move(said); });
    RunUntil([&] { return answer.has_value(); });
    return *answer;
  }
  DomainState Look(const Uuid& uuid) {
    const auto state = Wait<Result<DomainState>>([&](auto done) { source_->Look(uuid, done); });
    EXPECT_TRUE(state) << state.error().Text();
    return state.value_or(DomainState{});
  }
  Status Give(const Uuid& uuid, DomainOrder order) {
    return Wait<Status>([&](auto done) { source_->Give(uuid, order, done); });
  }
  Status StartDomain(const Uuid& uuid, const std::string& xml) {
    return Wait<Status>([&](auto done) { source_->StartDomain(uuid, xml, done); });
  }
  int StateSeenByOthers() {
    int state = 0;
    int reason = 0;
    EXPECT_EQ(0, virDomainGetState(domain_, &state, &reason, 0));
    return state;
  }

  Recorder recorder_;
  std::unique_ptr<LibvirtSource> source_;
  virConnectPtr operator_ = nullptr;
  virDomainPtr domain_ = nullptr;
  Uuid uuid_;
};

TEST_F(DomainOrdersTest, PausesStopsAndStartsAPersistentDomain) {
  EXPECT_TRUE(Look(uuid_).running);
  EXPECT_TRUE(Look(uuid_).persistent);
  EXPECT_TRUE(Look(uuid_).xml.empty());
  ASSERT_TRUE(Give(uuid_, DomainOrder::kPause));
  EXPECT_EQ(VIR_DOMAIN_PAUSED, StateSeenByOthers());
  EXPECT_TRUE(Look(uuid_).paused);
  ASSERT_TRUE(Give(uuid_, DomainOrder::kStop));
  EXPECT_EQ(VIR_DOMAIN_SHUTOFF, StateSeenByOthers());
  EXPECT_FALSE(Look(uuid_).running);
  ASSERT_TRUE(StartDomain(uuid_, ""));
  EXPECT_EQ(VIR_DOMAIN_RUNNING, StateSeenByOthers());
}

TEST_F(DomainOrdersTest, MakesATransientDomainAgainOfItsXml) {
  const Uuid uuid = *ParseUuid(kTransientUuid);
  const virDomainPtr transient = virDomainCreateXML(operator_, kTransient, 0);
  ASSERT_NE(nullptr, transient);
  const DomainState before = Look(uuid);
  EXPECT_TRUE(before.running);
  EXPECT_FALSE(before.persistent);
  EXPECT_NE(std::string::npos, before.xml.find("<name>passing</name>"));
  ASSERT_TRUE(Give(uuid, DomainOrder::kStop));
  EXPECT_FALSE(Look(uuid).running);
  EXPECT_FALSE(StartDomain(uuid, "")) << "nobody knows it any more";
  ASSERT_TRUE(StartDomain(uuid, before.xml));
  EXPECT_TRUE(Look(uuid).running);
  ASSERT_TRUE(Give(uuid, DomainOrder::kStop));
  virDomainFree(transient);
}

TEST_F(DomainOrdersTest, OrdersToNobodyFailByName) {
  const Uuid nobody = *ParseUuid("00000000-0000-0000-0000-0000000000bb");
  EXPECT_FALSE(Look(nobody).running);
  const Status given = Give(nobody, DomainOrder::kReset);
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().code, ErrorCode::kNotFound);
}

TEST_F(DomainOrdersTest, APolicyInTheMetadataIsToldWhenItChanges) {
  EXPECT_EQ(recorder_.seen.back().policy, std::nullopt);
  ASSERT_EQ(0, virDomainSetMetadata(domain_, VIR_DOMAIN_METADATA_ELEMENT,
                                    "<policy>\ndry_run: true\n</policy>", "seaward",
                                    kPolicyNamespace, VIR_DOMAIN_AFFECT_LIVE));
  RunUntil([this] { return recorder_.seen.back().policy == "\ndry_run: true\n"; });
  ASSERT_EQ(0, virDomainSetMetadata(domain_, VIR_DOMAIN_METADATA_ELEMENT, nullptr, nullptr,
                                    kPolicyNamespace, VIR_DOMAIN_AFFECT_LIVE));
  RunUntil([this] { return recorder_.seen.back().policy == std::nullopt; });
}

}  // namespace
}  // namespace seaward
