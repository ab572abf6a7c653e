#include "host-notifier/app/attach_gate.h"

#include <gtest/gtest.h>

#include <map>

namespace seaward {
namespace {

Uuid Vm(char last) {
  return *ParseUuid(std::string("00000000-0000-0000-0000-00000000000") + last);
}

class FakeRecords final : public DomainRecords {
 public:
  Result<DomainStatus> FindByPid(pid_t pid) const override {
    if (pid == distrusted) return Fail(ErrorCode::kDenied, "lock not held");
    const auto it = by_pid.find(pid);
    if (it == by_pid.end()) return Fail(ErrorCode::kNotFound, "no such domain");
    return it->second;
  }
  Result<DomainStatus> FindByName(const std::string&) const override {
    return Fail(ErrorCode::kNotFound, "not asked here");
  }
  std::map<pid_t, DomainStatus> by_pid;
  pid_t distrusted = -1;
};

class AttachGateTest : public ::testing::Test {
 protected:
  AttachGateTest() {
    DomainStatus web;
    web.pid = 100;
    web.domain.uuid = Vm('1');
    web.domain.name = "web";
    web.domain.has_channel = true;
    records_.by_pid[100] = web;
    web.pid = 101;
    web.domain.uuid = Vm('2');
    web.domain.name = "plain";
    web.domain.has_channel = false;
    records_.by_pid[101] = web;
    static_vms_.push_back({"s3", Vm('3'), "/s3", 1003});
    static_vms_.push_back({"s4", Vm('4'), "/s4", 1004});
    static_vms_.push_back({"s5", Vm('5'), "/s5", 1004});
  }
  Result<AdmittedVm> Admit(pid_t pid, uid_t uid, std::optional<Uuid> claim) {
    return AttachGate(&records_, static_vms_).Admit({{pid, 1}, uid, claim});
  }
  FakeRecords records_;
  std::vector<config::StaticVm> static_vms_;
};

TEST_F(AttachGateTest, LibvirtsRecordDecidesWhoseProcessItIs) {
  for (const std::optional<Uuid>& claim : {std::optional<Uuid>(), std::optional<Uuid>(Vm('1'))}) {
    const auto admitted = Admit(100, 64055, claim);
    ASSERT_TRUE(admitted) << admitted.error().Text();
    EXPECT_EQ("web", admitted->domain->name);
  }
}

TEST_F(AttachGateTest, AnothersDomainIsRefusedWithPidAndUid) {
  const auto admitted = Admit(100, 64055, Vm('3'));
  ASSERT_FALSE(admitted);
  EXPECT_EQ(ErrorCode::kDenied, admitted.error().code);
  EXPECT_NE(std::string::npos, admitted.error().context.find("pid=100 uid=64055"));
}

TEST_F(AttachGateTest, UnknownProcessThatClaimsADomainIsRefused) {
  const auto admitted = Admit(999, 64055, Vm('1'));
  ASSERT_FALSE(admitted);
  EXPECT_EQ(ErrorCode::kDenied, admitted.error().code);
}

TEST_F(AttachGateTest, UnknownProcessThatClaimsNothingMayComeBack) {
  EXPECT_EQ(ErrorCode::kNotFound, Admit(999, 64055, std::nullopt).error().code);
}

TEST_F(AttachGateTest, DomainWithoutTheChannelIsNotOurs) {
  EXPECT_EQ(ErrorCode::kNotFound, Admit(101, 64055, std::nullopt).error().code);
}

TEST_F(AttachGateTest, RecordsThatCannotBeTrustedAdmitNobody) {
  records_.distrusted = 100;
  EXPECT_EQ(ErrorCode::kDenied, Admit(100, 1003, Vm('3')).error().code);
}

TEST_F(AttachGateTest, StaticVmIsItsUsersAlone) {
  const auto own = Admit(999, 1003, Vm('3'));
  ASSERT_TRUE(own) << own.error().Text();
  EXPECT_EQ("s3", own->static_vm->name);
  EXPECT_TRUE(Admit(999, 1003, std::nullopt));
  EXPECT_EQ(ErrorCode::kDenied, Admit(999, 1004, Vm('3')).error().code);
  EXPECT_EQ(ErrorCode::kDenied, Admit(999, 0, Vm('3')).error().code);
}

TEST_F(AttachGateTest, UserOfSeveralStaticVmsMustNameOne) {
  EXPECT_EQ(ErrorCode::kDenied, Admit(999, 1004, std::nullopt).error().code);
  const auto named = Admit(999, 1004, Vm('5'));
  ASSERT_TRUE(named);
  EXPECT_EQ("s5", named->static_vm->name);
}

TEST_F(AttachGateTest, WorksWithoutLibvirt) {
  const AttachGate gate(nullptr, static_vms_);
  EXPECT_TRUE(gate.Admit({{999, 1}, 1003, Vm('3')}));
  EXPECT_EQ(ErrorCode::kNotFound, gate.Admit({{999, 1}, 7, std::nullopt}).error().code);
}

}  // namespace
}  // namespace seaward
