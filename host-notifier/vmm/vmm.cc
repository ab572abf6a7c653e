// The C API: checks arguments, translates, lets no exception out.
#include "seaward/vmm.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>

#include "host-notifier/vmm/attached_vm.h"
#include "host-notifier/vmm/injection.h"
#include "host-notifier/vmm/kvm_abi.h"
#include "host-notifier/vmm/vcpu_hold.h"

namespace vmm = seaward::vmm;

struct seaward_vmm {
  std::unique_ptr<vmm::AttachedVm> vm;
  std::chrono::microseconds hold{0};
};

namespace {

static_assert(SEAWARD_EXIT_GPA_VALID == vmm::kSeaFlagGpaValid);
static_assert(SEAWARD_INJECTED_KVM == static_cast<int>(vmm::Injection::kKvm));
static_assert(SEAWARD_INJECTED_KVM_INEXACT == static_cast<int>(vmm::Injection::kKvmInexact));
static_assert(SEAWARD_LEFT_TO_VMM == static_cast<int>(vmm::Injection::kVmm));
static_assert(SEAWARD_INJECTED_EXACT == static_cast<int>(vmm::Injection::kExact));

int PublicLevel(seaward::LogLevel level) {
  switch (level) {
    case seaward::LogLevel::kDebug:
      return SEAWARD_LOG_DEBUG;
    case seaward::LogLevel::kInfo:
      return SEAWARD_LOG_INFO;
    case seaward::LogLevel::kWarning:
    case seaward::LogLevel::kError:
      return SEAWARD_LOG_ERROR;
  }
  return SEAWARD_LOG_ERROR;
}

vmm::AttachOptions OptionsOf(const seaward_config& config) {
  vmm::AttachOptions options;
  options.socket_path =
      config.attach_socket != nullptr ? config.attach_socket : SEAWARD_DEFAULT_ATTACH_SOCKET;
  if (config.max_vcpus != 0) options.geometry.lanes = config.max_vcpus;
  if (config.records_per_vcpu != 0) options.geometry.records_per_lane = config.records_per_vcpu;
  if (config.vm_uuid != nullptr) {
    seaward::Uuid uuid;
    std::transform(config.vm_uuid, config.vm_uuid + uuid.bytes.size(), uuid.bytes.begin(),
                   [](std::uint8_t b) { return std::byte{b}; });
    options.claimed_vm = uuid;
  }
  return options;
}

int ErrnoOf(const seaward::Error& error) {
  return error.sys_errno != 0 ? -error.sys_errno : -EINVAL;
}

vmm::SeaExit SeaExitOf(const seaward_exit& exit) {
  vmm::SeaExit out;
  out.when = exit.when_ns != 0 ? seaward::MonoTime(std::chrono::nanoseconds(exit.when_ns))
                               : seaward::SystemClock().Now();
  out.flags = exit.flags;
  out.esr = exit.esr;
  out.gva = seaward::GuestVirtAddr{exit.gva};
  out.gpa = seaward::GuestPhysAddr{exit.gpa};
  out.hva = seaward::HostVirtAddr{exit.hva};
  if (std::has_single_bit(exit.backing_page_size))
    out.page_shift = static_cast<std::uint8_t>(std::countr_zero(exit.backing_page_size));
  out.injection = exit.injection <= SEAWARD_INJECTED_EXACT
                      ? static_cast<vmm::Injection>(exit.injection)
                      : vmm::Injection::kNone;
  return out;
}

}  // namespace

extern "C" {

int seaward_attach(const seaward_config* config, seaward_vmm** out) {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  if (config == nullptr || config->struct_size != sizeof *config) return -EINVAL;
  const std::chrono::microseconds hold(config->hold_us);
  if (hold > vmm::kLongestHold) return -EINVAL;
  try {
    vmm::Keeper::LineSink log = [](seaward::LogLevel, std::string_view) {};
    if (config->log != nullptr)
      log = [call = config->log, opaque = config->log_opaque](seaward::LogLevel level,
                                                              std::string_view line) {
        call(opaque, PublicLevel(level), std::string(line).c_str());
      };
    auto vm = vmm::AttachedVm::Start(OptionsOf(*config), std::move(log));
    if (!vm) return ErrnoOf(vm.error());
    *out = new seaward_vmm{std::move(*vm), hold};
    return 0;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

void seaward_detach(seaward_vmm* vm) {
  delete vm;
}

int seaward_publish(seaward_vmm* vm, const seaward_exit* exit) {
  if (vm == nullptr || exit == nullptr || exit->struct_size != sizeof *exit) return -EINVAL;
  switch (vm->vm->ring().Publish(exit->vcpu, SeaExitOf(*exit))) {
    case vmm::Published::kNew:
      return SEAWARD_PUBLISHED;
    case vmm::Published::kCoalesced:
      return SEAWARD_COALESCED;
    case vmm::Published::kLost:
      return SEAWARD_LOST;
  }
  return -EINVAL;
}

int seaward_publish_and_hold(seaward_vmm* vm, const seaward_exit* exit, const seaward_hold* hold) {
  if (vm == nullptr || exit == nullptr || exit->struct_size != sizeof *exit || hold == nullptr ||
      hold->struct_size != sizeof *hold)
    return -EINVAL;
  vmm::SeaExit sea = SeaExitOf(*exit);
  sea.held = vm->hold.count() != 0 && vm->vm->OffersVerdicts() &&
             vmm::IsWorthHolding(sea, hold->pstate, hold->vcpus);
  vmm::RingProducer& ring = vm->vm->ring();
  if (ring.Publish(exit->vcpu, sea) == vmm::Published::kLost || !sea.held) return SEAWARD_NOT_HELD;
  switch (vmm::HoldForVerdict(ring, exit->vcpu, vm->hold, hold->immediate_exit,
                              seaward::SystemClock())) {
    case vmm::HoldEnd::kVerdict:
      return SEAWARD_HOLD_ANSWERED;
    case vmm::HoldEnd::kTimedOut:
      return SEAWARD_HOLD_TIMED_OUT;
    case vmm::HoldEnd::kNone:
    case vmm::HoldEnd::kInterrupted:
      break;
  }
  return SEAWARD_HOLD_ENDED;
}

void seaward_report_failed_injection(seaward_vmm* vm, uint32_t vcpu) {
  if (vm != nullptr) vm->vm->ring().CountFailedInjection(vcpu);
}

int seaward_exit_from_kvm_run(const void* kvm_run, seaward_exit* exit) {
  if (kvm_run == nullptr || exit == nullptr) return 0;
  const auto& run = *static_cast<const struct kvm_run*>(kvm_run);
  if (run.exit_reason != vmm::kvm::kExitArmSea) return 0;
  const auto sea = vmm::kvm::ReadArmSea(run);
  *exit = seaward_exit{};
  exit->struct_size = sizeof *exit;
  exit->flags = sea.flags;
  exit->esr = sea.esr;
  exit->gva = sea.gva;
  exit->gpa = sea.gpa;
  return 1;
}

int seaward_decide_injection(const seaward_exit* exit, int mode) {
  if (exit == nullptr || mode == SEAWARD_INJECT_NONE) return SEAWARD_LEFT_TO_VMM;
  return static_cast<int>(vmm::DecideInjection(vmm::InjectMode::kKvm, exit->esr, false));
}

int seaward_get_status(const seaward_vmm* vm, seaward_status* status) {
  if (vm == nullptr || status == nullptr || status->struct_size != sizeof *status) return -EINVAL;
  const auto keeper = vm->vm->keeper().state();
  const auto ring = vm->vm->ring().counters();
  status->attached = keeper.attached ? 1 : 0;
  status->attach_count = keeper.attach_count;
  status->refusals = keeper.refusals;
  status->published = ring.published;
  status->coalesced = ring.coalesced;
  status->lost = ring.lost;
  status->failed_injections = ring.failed_injections;
  status->waiting = ring.waiting;
  return 0;
}

}  // extern "C"
