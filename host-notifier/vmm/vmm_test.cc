#include "seaward/vmm.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>

#include "host-notifier/vmm/attach_message.h"
#include "host-notifier/vmm/kvm_abi.h"

namespace seaward::vmm {
namespace {

TEST(AttachMessage, RoundTripsAndRefusesWhatItDoesNotKnow) {
  AttachRequest request{.ring_bytes = 0x123456, .claimed_vm = std::nullopt};
  EXPECT_FALSE(DecodeAttachRequest(EncodeAttachRequest(request))->claimed_vm);
  request.claimed_vm = ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809").value();
  auto bytes = EncodeAttachRequest(request);
  EXPECT_EQ(DecodeAttachRequest(bytes)->ring_bytes, 0x123456u);
  EXPECT_EQ(DecodeAttachRequest(bytes)->claimed_vm, request.claimed_vm);
  EXPECT_FALSE(DecodeAttachRequest(std::span(bytes).first(31)));
  for (const std::size_t field : {0u, 4u, 7u}) {  // magic, version, unknown flag
    auto wrong = bytes;
    wrong[field] ^= std::byte{0x80};
    EXPECT_FALSE(DecodeAttachRequest(wrong)) << field;
  }
  for (const auto reply : {AttachReply::kAccepted, AttachReply::kOverloaded})
    EXPECT_EQ(DecodeAttachReply(EncodeAttachReply(reply)).value(), reply);
  std::array<std::byte, kAttachReplyBytes> unknown = EncodeAttachReply(AttachReply::kAccepted);
  unknown[4] = std::byte{99};
  EXPECT_FALSE(DecodeAttachReply(unknown));
}

class CApi : public testing::Test {
 protected:
  CApi() {
    config_.struct_size = sizeof config_;
    config_.attach_socket = "/nonexistent/attach.sock";
    config_.max_vcpus = 2;
    config_.records_per_vcpu = 2;
    exit_.struct_size = sizeof exit_;
    exit_.flags = SEAWARD_EXIT_GPA_VALID;
    exit_.esr = 0x92000010;
    exit_.gpa = 0x1000;
  }
  ~CApi() override { seaward_detach(vm_); }
  seaward_status Status() {
    seaward_status status{};
    status.struct_size = sizeof status;
    EXPECT_EQ(seaward_get_status(vm_, &status), 0);
    return status;
  }
  int PublishAt(std::uint64_t gpa) {
    exit_.gpa = gpa;
    return seaward_publish(vm_, &exit_);
  }
  seaward_config config_{};
  seaward_exit exit_{};
  seaward_vmm* vm_ = nullptr;
};

TEST_F(CApi, WorksWithoutANotifierUntilTheRingIsFull) {
  ASSERT_EQ(seaward_attach(&config_, &vm_), 0);
  errno = 55;
  EXPECT_EQ(PublishAt(0x1000), SEAWARD_PUBLISHED);
  EXPECT_EQ(PublishAt(0x1008), SEAWARD_COALESCED);
  EXPECT_EQ(PublishAt(0x2000), SEAWARD_PUBLISHED);
  EXPECT_EQ(PublishAt(0x1000), SEAWARD_COALESCED);  // not only the newest record
  EXPECT_EQ(PublishAt(0x3000), SEAWARD_LOST);
  exit_.vcpu = 1;
  EXPECT_EQ(PublishAt(0x3000), SEAWARD_PUBLISHED);  // lanes fill one by one
  exit_.vcpu = 2;
  EXPECT_EQ(PublishAt(0x3000), SEAWARD_LOST);  // no such lane
  EXPECT_EQ(errno, 55);
  seaward_report_failed_injection(vm_, 1);
  const auto status = Status();
  EXPECT_EQ(status.attached, 0u);
  EXPECT_EQ(status.published, 3u);
  EXPECT_EQ(status.coalesced, 2u);
  EXPECT_EQ(status.lost, 2u);
  EXPECT_EQ(status.waiting, 3u);
  EXPECT_EQ(status.failed_injections, 1u);
}

TEST_F(CApi, HoldsNoVcpuWithoutANotifierThatAnswers) {
  config_.hold_us = 1000000;
  ASSERT_EQ(seaward_attach(&config_, &vm_), 0);
  seaward_hold hold{.struct_size = sizeof hold, .vcpus = 2, .pstate = 0, .immediate_exit = nullptr};
  errno = 55;
  EXPECT_EQ(seaward_publish_and_hold(vm_, &exit_, &hold), SEAWARD_NOT_HELD);
  EXPECT_EQ(errno, 55);
  EXPECT_EQ(Status().published, 1u) << "and the exit is on its way";
  EXPECT_EQ(seaward_publish_and_hold(vm_, &exit_, nullptr), -EINVAL);
  EXPECT_EQ(seaward_publish_and_hold(nullptr, &exit_, &hold), -EINVAL);
  hold.struct_size = 4;
  EXPECT_EQ(seaward_publish_and_hold(vm_, &exit_, &hold), -EINVAL);
  EXPECT_EQ(Status().coalesced, 0u) << "refused calls publish nothing";
}

TEST_F(CApi, HoldsNoVcpuForLongerThanASecond) {
  config_.hold_us = 1000001;
  EXPECT_EQ(seaward_attach(&config_, &vm_), -EINVAL);
}

TEST_F(CApi, RefusesBadArgumentsWithoutHarm) {
  EXPECT_EQ(seaward_attach(nullptr, &vm_), -EINVAL);
  EXPECT_EQ(seaward_attach(&config_, nullptr), -EINVAL);
  config_.records_per_vcpu = 3;
  EXPECT_EQ(seaward_attach(&config_, &vm_), -EINVAL);
  config_.records_per_vcpu = 2;
  const std::string long_path(200, 'a');
  config_.attach_socket = long_path.c_str();
  EXPECT_EQ(seaward_attach(&config_, &vm_), -EINVAL);
  EXPECT_EQ(vm_, nullptr);
  EXPECT_EQ(seaward_publish(nullptr, &exit_), -EINVAL);
  seaward_detach(nullptr);
  config_.attach_socket = nullptr;
  config_.struct_size = 4;
  EXPECT_EQ(seaward_attach(&config_, &vm_), -EINVAL);
}

TEST(CApiKvmRun, TellsASeaExitFromOthers) {
  kvm_run run{};
  seaward_exit exit{};
  run.exit_reason = KVM_EXIT_MMIO;
  EXPECT_EQ(seaward_exit_from_kvm_run(&run, &exit), 0);
  run.exit_reason = kvm::kExitArmSea;
  const kvm::ArmSea sea{1, 0x92000010, 0xffff000000001000, 0x48048000};
  std::memcpy(reinterpret_cast<std::byte*>(&run) + 32, &sea, sizeof sea);
  ASSERT_EQ(seaward_exit_from_kvm_run(&run, &exit), 1);
  EXPECT_EQ(exit.gpa, 0x48048000u);
  EXPECT_EQ(exit.struct_size, sizeof exit);
  EXPECT_EQ(seaward_decide_injection(&exit, SEAWARD_INJECT_AUTO), SEAWARD_INJECTED_KVM);
  EXPECT_EQ(seaward_decide_injection(&exit, SEAWARD_INJECT_NONE), SEAWARD_LEFT_TO_VMM);
}

}  // namespace
}  // namespace seaward::vmm
