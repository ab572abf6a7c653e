#include "tests/bench/scale/bad_pages.h"

namespace seaward::bench {
namespace {

constexpr std::uint64_t kFirstPage = 0x40000000;
constexpr std::uint64_t kStride = 2 * kBadPageBytes;
// A data abort: synchronous external abort, not on a table walk.
constexpr std::uint64_t kSyndrome = 0x92000010;

seaward_status StatusOf(const VmmHandle& vmm) {
  seaward_status status{};
  status.struct_size = sizeof(status);
  if (seaward_get_status(vmm.get(), &status) != 0) return {};
  return status;
}

}  // namespace

Result<VmmHandle> AttachVmm(const std::string& attach_socket, const Uuid& vm) {
  seaward_config config{};
  config.struct_size = sizeof(config);
  config.attach_socket = attach_socket.c_str();
  config.vm_uuid = reinterpret_cast<const std::uint8_t*>(vm.bytes.data());
  config.records_per_vcpu = kLaneRecords;
  seaward_vmm* vmm = nullptr;
  if (const int failed = seaward_attach(&config, &vmm); failed != 0)
    return FailErrno(-failed, "attach VM " + FormatUuid(vm));
  return VmmHandle(vmm);
}

bool IsAttached(const VmmHandle& vmm) {
  return StatusOf(vmm).attached != 0;
}

std::uint64_t RecordsWaiting(const VmmHandle& vmm) {
  return StatusOf(vmm).waiting;
}

Status ConsumeBadPage(const VmmHandle& vmm, std::uint64_t number) {
  seaward_exit exit{};
  exit.struct_size = sizeof(exit);
  exit.flags = SEAWARD_EXIT_GPA_VALID;
  exit.esr = kSyndrome;
  exit.gpa = kFirstPage + number * kStride;
  if (seaward_publish(vmm.get(), &exit) == SEAWARD_LOST)
    return Fail(ErrorCode::kLimit, "a ring is full");
  return {};
}

}  // namespace seaward::bench
