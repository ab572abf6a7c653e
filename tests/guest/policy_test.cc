// The policy's interventions on a real domain: QEMU under a private libvirtd.
#include <libvirt/libvirt.h>

#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

class PolicyOnGuest : public GuardedGuest {
 protected:
  void SetUp() override {
    UseMachines(bench->GuardedThroughLibvirt());
    if (HasFatalFailure()) return;
    connection_ = virConnectOpen(bench->libvirtd().uri().c_str());
    ASSERT_NE(nullptr, connection_);
    domain_ = virDomainLookupByName(connection_, guest().plan().name.c_str());
    ASSERT_NE(nullptr, domain_);
  }
  void TearDown() override {
    if (domain_ != nullptr) {
      virDomainSetMetadata(domain_, VIR_DOMAIN_METADATA_ELEMENT, nullptr, nullptr, kNamespace,
                           VIR_DOMAIN_AFFECT_LIVE);
      if (State() == VIR_DOMAIN_PAUSED) virDomainResume(domain_);
      virDomainFree(domain_);
    }
    if (connection_ != nullptr) virConnectClose(connection_);
    GuardedGuest::TearDown();
  }

  // The domain's own policy: libvirt tells the notifier of it.
  void PolicyIs(const std::string& yaml) {
    const std::string element = "<policy>\n" + yaml + "</policy>";
    ASSERT_EQ(0, virDomainSetMetadata(domain_, VIR_DOMAIN_METADATA_ELEMENT, element.c_str(),
                                      "seaward", kNamespace, VIR_DOMAIN_AFFECT_LIVE));
    ASSERT_TRUE(WaitUntil(
        [&] {
          const auto report = host().Seawardctl({"explain", "guest"});
          return report && (*report)["own_policy"] == true && (*report)["running"] == true;
        },
        kPatience))
        << host().Logs();
    const auto report = host().Seawardctl({"explain", "guest"});
    ASSERT_TRUE((*report)["own_policy_errors"].empty()) << report->dump();
  }
  // The newest decision of the rule came to this end.
  bool EndsAs(const std::string& rule, const std::string& state) {
    return WaitUntil(
        [&] {
          const auto report = host().Seawardctl({"explain", "guest"});
          if (!report || (*report)["decisions"].empty()) return false;
          const auto& newest = (*report)["decisions"].back();
          return newest["rule"] == rule && newest["state"] == state;
        },
        kPatience);
  }
  // On record before there is a rule, so that the rule finds it whatever it does to the guest.
  void GoesBad() {
    const auto reported = host().ReportOnceKnown(FreePage(), "latent");
    ASSERT_TRUE(reported) << reported.error().Text();
  }
  int State() {
    int state = 0;
    int reason = 0;
    return virDomainGetState(domain_, &state, &reason, 0) == 0 ? state : -1;
  }
  // 0: none
  pid_t QemuPid() { return guest().QemuPid().value_or(0); }
  static constexpr char kNamespace[] = "urn:seaward:policy:1";
  virConnectPtr connection_ = nullptr;
  virDomainPtr domain_ = nullptr;
};

TEST_F(PolicyOnGuest, PausesTheDomain) {
  GoesBad();
  PolicyIs("rules: [{name: hold, when: pages, act: pause}]\n");
  ASSERT_TRUE(EndsAs("hold", "done")) << host().Logs();
  EXPECT_EQ(VIR_DOMAIN_PAUSED, State());
}

TEST_F(PolicyOnGuest, ResetsTheDomainInItsMemory) {
  const pid_t pid = QemuPid();
  GoesBad();
  PolicyIs("rules: [{name: again, when: pages, act: reset}]\n");
  ASSERT_TRUE(EndsAs("again", "done")) << host().Logs();
  const auto booted = guest().AwaitNextBoot();
  ASSERT_TRUE(booted.has_value()) << booted.error().Text();
  EXPECT_EQ(pid, QemuPid());
}

TEST_F(PolicyOnGuest, RestartsATransientDomainInNewMemoryOnlyWhereItMay) {
  const pid_t pid = QemuPid();
  GoesBad();
  PolicyIs("rules: [{name: cold, when: pages, act: cold_restart}]\n");
  ASSERT_TRUE(EndsAs("cold", "refused")) << host().Logs();
  EXPECT_EQ(VIR_DOMAIN_RUNNING, State());
  EXPECT_EQ(pid, QemuPid());

  PolicyIs("restart_transient: true\nrules: [{name: colder, when: pages, act: cold_restart}]\n");
  ASSERT_TRUE(EndsAs("colder", "done")) << host().Logs();
  const auto booted = guest().AwaitNextBoot();
  ASSERT_TRUE(booted.has_value()) << booted.error().Text();
  EXPECT_NE(pid, QemuPid());
  EXPECT_EQ(VIR_DOMAIN_RUNNING, State());
  // Its memory is good: nothing forbids to migrate it, and no page is wanted.
  EXPECT_TRUE(WaitUntil(
      [&] {
        return host().Seawardctl({"can-migrate", "guest"}).has_value();
      },
      kPatience))
      << host().Logs();
}

}  // namespace
}  // namespace seaward::testing
