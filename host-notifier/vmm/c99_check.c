/* The public header is C99 and pedantic; this file only has to compile. */
#include "seaward/vmm.h"

int seaward_c99_check(struct seaward_vmm* vm);

int seaward_c99_check(struct seaward_vmm* vm) {
  struct seaward_exit exit = {sizeof exit, 0, SEAWARD_EXIT_GPA_VALID, 0, 0, 0, 0, 0, 0, 0};
  struct seaward_hold hold = {sizeof hold, 2, 0, 0};
  return seaward_publish(vm, &exit) + seaward_publish_and_hold(vm, &exit, &hold);
}
