// How a VMM uses libseaward-vmm (docs/VMM.md), on bare KVM: one vCPU, 128 KiB of memory, a guest of
// twenty instructions that reads one page for ever. When the page goes bad, the exit is published,
// the abort is injected, and the guest's own handler tells what it was shown.
//
//   example-vmm [ATTACH_SOCKET]
//
// Prints the page's address ("ready gpa=... hva=..."), then the exit, then the guest's registers.
// Exit status: 0 the guest was told of the error and a notifier has noted it, 1 otherwise.
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <seaward/vmm.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef KVM_CAP_ARM_SEA_TO_USER  // <linux/kvm.h> has it since Linux 6.19
#define KVM_CAP_ARM_SEA_TO_USER 245
#endif

enum { MEMORY_BYTES = 128 << 10 };
static const uint64_t MEMORY_AT = 0x40000000;  // guest physical, as in the code below
static const uint64_t PAGE_AT = 0x40010000;
static const uint64_t DOOR_AT = 0x10000000;  // not memory: a store there ends KVM_RUN

// The guest, with its MMU off: EL1, physical addresses.
extern const char guest_code[] __attribute__((visibility("hidden")));
extern const char guest_code_end[] __attribute__((visibility("hidden")));
__asm__(
    ".pushsection .rodata; .balign 2048; guest_code:\n"
    "  adr x0, vectors; msr vbar_el1, x0\n"
    "  mov x6, #0x10000000; movz x1, #0x4001, lsl #16\n"
    "  str x1, [x1]; str x1, [x6]\n"        // the page is used; ready
    "again: ldr x2, [x1]; b again\n"        // until it goes bad
    ".balign 2048; vectors: .skip 0x200\n"  // synchronous exception, current EL
    "  mrs x4, far_el1; mrs x5, esr_el1\n"
    "  str x4, [x6, #8]; str x5, [x6, #16]; b .\n"
    "guest_code_end: .popsection\n");

static void die(const char* what) {
  perror(what);
  exit(1);
}

static int kvm_call(int fd, unsigned long request, void* argument, const char* what) {
  const int answer = ioctl(fd, request, argument);
  if (answer < 0) die(what);
  return answer;
}

static void handle_sea(struct seaward_vmm* seaward, struct seaward_exit* e, int vcpu,
                       char* memory) {
  if (e->flags & SEAWARD_EXIT_GPA_VALID) {
    e->hva = (uint64_t)(uintptr_t)(memory + (e->gpa - MEMORY_AT));
    e->backing_page_size = (uint32_t)sysconf(_SC_PAGESIZE);
  }
  e->injection = (uint32_t)seaward_decide_injection(e, SEAWARD_INJECT_AUTO);
  seaward_publish(seaward, e);
  struct kvm_vcpu_events events = {.exception.ext_dabt_pending = 1};
  if (ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events) < 0) seaward_report_failed_injection(seaward, 0);
  printf("exit flags=%" PRIx64 " esr=%" PRIx64 " gva=%" PRIx64 " gpa=%" PRIx64 "\n", e->flags,
         e->esr, e->gva, e->gpa);
}

// True until the guest has said all that it has to say.
static int handle_door(const struct kvm_run* run, const char* memory) {
  uint64_t value = 0;
  memcpy(&value, run->mmio.data, sizeof(value));
  switch (run->mmio.phys_addr - DOOR_AT) {
    case 0:
      printf("ready gpa=0x%" PRIx64 " hva=0x%" PRIxPTR "\n", PAGE_AT,
             (uintptr_t)(memory + (PAGE_AT - MEMORY_AT)));
      return 1;
    case 8:
      printf("guest far=%" PRIx64 "\n", value);
      return 1;
    default:
      printf("guest esr=%" PRIx64 "\n", value);
      return 0;
  }
}

// The exits wait in the ring until a notifier has them on disk; it is given ten seconds.
static int all_noted(struct seaward_vmm* seaward) {
  for (int look = 0; look < 1000; ++look) {
    struct seaward_status status = {.struct_size = sizeof(status)};
    if (seaward_get_status(seaward, &status) == 0 && status.waiting == 0 && status.published > 0)
      return 1;
    usleep(10000);
  }
  return 0;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) die("/dev/kvm");
  const int vm = kvm_call(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
  struct kvm_enable_cap to_user = {.cap = KVM_CAP_ARM_SEA_TO_USER};
  kvm_call(vm, KVM_ENABLE_CAP, &to_user, "KVM_CAP_ARM_SEA_TO_USER");

  char* memory =
      mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  memcpy(memory, guest_code, (size_t)(guest_code_end - guest_code));
  struct kvm_userspace_memory_region slot = {.guest_phys_addr = MEMORY_AT,
                                             .memory_size = MEMORY_BYTES,
                                             .userspace_addr = (uint64_t)(uintptr_t)memory};
  kvm_call(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");

  const int vcpu = kvm_call(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
  struct kvm_vcpu_init init;
  kvm_call(vm, KVM_ARM_PREFERRED_TARGET, &init, "KVM_ARM_PREFERRED_TARGET");
  kvm_call(vcpu, KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
  uint64_t start = MEMORY_AT;
  struct kvm_one_reg pc = {
      .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc),
      .addr = (uint64_t)(uintptr_t)&start};
  kvm_call(vcpu, KVM_SET_ONE_REG, &pc, "KVM_SET_ONE_REG");
  const int run_bytes = kvm_call(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
  struct kvm_run* run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  if (run == MAP_FAILED) die("mmap of kvm_run");

  struct seaward_vmm* seaward = NULL;
  const struct seaward_config config = {.struct_size = sizeof(config),
                                        .attach_socket = argc > 1 ? argv[1] : NULL};
  if (seaward_attach(&config, &seaward) < 0) die("seaward_attach");
  for (int more = 1; more;) {
    kvm_call(vcpu, KVM_RUN, NULL, "KVM_RUN");
    struct seaward_exit e;
    if (seaward_exit_from_kvm_run(run, &e)) {
      e.vcpu = 0;
      handle_sea(seaward, &e, vcpu, memory);
    } else if (run->exit_reason == KVM_EXIT_MMIO) {
      more = handle_door(run, memory);
    } else {
      fprintf(stderr, "unexpected exit %u\n", run->exit_reason);
      return 1;
    }
  }
  const int noted = all_noted(seaward);
  seaward_detach(seaward);
  return noted ? 0 : 1;
}
