/* Seaward's VMM library: report the memory errors that a KVM guest on Arm consumes.
 *
 * A VMM attaches once per VM, and in the vCPU thread that sees KVM_EXIT_ARM_SEA (41) publishes the
 * exit, injects the abort and enters the guest again:
 *
 *     struct seaward_exit e;
 *     if (seaward_exit_from_kvm_run(run, &e)) {
 *       e.vcpu = index;
 *       e.hva = where that guest page lies in this process, or 0;
 *       e.injection = seaward_decide_injection(&e, SEAWARD_INJECT_AUTO);
 *       seaward_publish(vm, &e);
 *       ... KVM_SET_VCPU_EVENTS with exception.ext_dabt_pending = 1, then KVM_RUN
 *     }
 *
 * Promises: publishing never waits, never allocates, never logs; nothing here ends the process or
 * raises a signal; no vCPU is held for longer than the VMM said (hold_us, 0 unless it is set);
 * without a notifier everything succeeds and the exits wait in memory until one comes (a background
 * thread keeps attaching). C99; no other header of Seaward is needed.
 *
 * Results: 0 or positive = success, negative = -errno.
 */
#ifndef SEAWARD_VMM_H
#define SEAWARD_VMM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SEAWARD_API __attribute__((visibility("default")))
#else
#define SEAWARD_API
#endif

#define SEAWARD_DEFAULT_ATTACH_SOCKET "/run/seaward/attach.sock"

/* kvm_run.arm_sea.flags */
#define SEAWARD_EXIT_GPA_VALID UINT64_C(1)

enum seaward_inject_mode {
  SEAWARD_INJECT_AUTO = 0, /* what serves the guest best of what a VMM can do with one call: KVM */
  SEAWARD_INJECT_KVM = 1,  /* KVM_SET_VCPU_EVENTS, ext_dabt_pending */
  SEAWARD_INJECT_NONE = 2  /* the VMM deals with the exit by other means */
};

enum seaward_injection {
  SEAWARD_INJECTED_NONE = 0,
  SEAWARD_INJECTED_KVM = 1,         /* exactly what the CPU would have shown the guest */
  SEAWARD_INJECTED_KVM_INEXACT = 2, /* same call, but the guest's ESR or FAR will differ */
  SEAWARD_LEFT_TO_VMM = 3,
  SEAWARD_INJECTED_EXACT = 4 /* the VMM writes the guest's registers as the CPU would have */
};

enum seaward_published {
  SEAWARD_PUBLISHED = 0,
  SEAWARD_COALESCED = 1, /* counted in a record of the same page that nobody has read yet */
  SEAWARD_LOST = 2       /* no room; counted, and the notifier will know */
};

enum seaward_log_level { SEAWARD_LOG_ERROR = 0, SEAWARD_LOG_INFO = 1, SEAWARD_LOG_DEBUG = 2 };

struct seaward_vmm;

struct seaward_config {
  uint32_t struct_size;      /* sizeof(struct seaward_config) */
  uint32_t max_vcpus;        /* 0 = 512, at most 1024 */
  uint32_t records_per_vcpu; /* 0 = 128; a power of two, 2 to 1024 */
  uint32_t hold_us;          /* of seaward_publish_and_hold; 0 = never, at most 1000000 */
  const char* attach_socket; /* NULL = SEAWARD_DEFAULT_ATTACH_SOCKET */
  const uint8_t* vm_uuid;    /* 16 bytes in text order, or NULL: the notifier finds out itself */
  /* Called from the background thread only; must not call back. NULL = silent. */
  void (*log)(void* opaque, int level, const char* line);
  void* log_opaque;
};

/* One KVM_EXIT_ARM_SEA. Fill with seaward_exit_from_kvm_run or by hand. */
struct seaward_exit {
  uint32_t struct_size; /* sizeof(struct seaward_exit) */
  uint32_t vcpu;        /* index; one thread at a time publishes for it */
  uint64_t flags;       /* the four words of kvm_run.arm_sea, unchanged */
  uint64_t esr;
  uint64_t gva;
  uint64_t gpa;
  uint64_t hva;               /* address of the page in this process, 0 = unknown */
  uint32_t backing_page_size; /* bytes, a power of two, 0 = unknown */
  uint32_t injection;         /* enum seaward_injection */
  uint64_t when_ns;           /* CLOCK_MONOTONIC, 0 = now */
};

/* What seaward_publish_and_hold goes by. */
struct seaward_hold {
  uint32_t struct_size; /* sizeof(struct seaward_hold) */
  uint32_t vcpus;       /* that run this guest: the only one is never held, who would answer? */
  uint64_t pstate;      /* of this vCPU (KVM_GET_ONE_REG): it is held for processes only, at EL0 */
  const volatile uint8_t* immediate_exit; /* kvm_run's, which ends the hold; NULL: none */
};

enum seaward_held {
  SEAWARD_NOT_HELD = 0,      /* hold_us is 0, no notifier answers, or it would not help */
  SEAWARD_HOLD_ANSWERED = 1, /* the guest has said what became of the page */
  SEAWARD_HOLD_ENDED = 2,    /* immediate_exit, or no verdict is to be waited for */
  SEAWARD_HOLD_TIMED_OUT = 3
};

struct seaward_status {
  uint32_t struct_size;  /* sizeof(struct seaward_status) */
  uint32_t attached;     /* 1: a notifier accepted this VM and is there */
  uint64_t attach_count; /* times a notifier accepted */
  uint64_t refusals;     /* times a notifier said no */
  uint64_t published;    /* records */
  uint64_t coalesced;
  uint64_t lost;
  uint64_t failed_injections;
  uint64_t waiting; /* records that no notifier has made safe yet */
};

/* Never waits for a notifier. Starts one thread, with all signals blocked. -EINVAL, -ENOMEM, or the
 * errno of what the system refused; *vm is then NULL, and the other calls accept NULL and do
 * nothing. */
SEAWARD_API int seaward_attach(const struct seaward_config* config, struct seaward_vmm** vm);

/* Ends the thread and frees everything. No other call may be under way. */
SEAWARD_API void seaward_detach(struct seaward_vmm* vm);

/* enum seaward_published; -EINVAL for a NULL or foreign-sized argument. Keeps errno. */
SEAWARD_API int seaward_publish(struct seaward_vmm* vm, const struct seaward_exit* exit);

/* seaward_publish for an exit that the guest is told of afterwards: waits, for hold_us at most,
 * until the guest has retired the page, so that the process that dies of the abort cannot give it
 * back before. Whatever comes back, go on and inject. enum seaward_held, also when the exit was
 * lost; -EINVAL for a NULL or foreign-sized argument. Keeps errno. */
SEAWARD_API int seaward_publish_and_hold(struct seaward_vmm* vm, const struct seaward_exit* exit,
                                         const struct seaward_hold* hold);

/* KVM refused the abort for an exit that was published as injected. */
SEAWARD_API void seaward_report_failed_injection(struct seaward_vmm* vm, uint32_t vcpu);

/* 1 and *exit filled (vcpu, hva, injection are the caller's) when the mapped struct kvm_run holds a
 * KVM_EXIT_ARM_SEA; otherwise 0. */
SEAWARD_API int seaward_exit_from_kvm_run(const void* kvm_run, struct seaward_exit* exit);

/* enum seaward_injection: what to do for this exit. */
SEAWARD_API int seaward_decide_injection(const struct seaward_exit* exit, int mode);

/* -EINVAL for a NULL or foreign-sized argument. */
SEAWARD_API int seaward_get_status(const struct seaward_vmm* vm, struct seaward_status* status);

#ifdef __cplusplus
}
#endif

#endif
