/* What an author of a VMM does first with the installed library. */
#include <seaward/vmm.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  struct seaward_config config;
  struct seaward_status status;
  struct seaward_vmm* vm = NULL;
  memset(&config, 0, sizeof config);
  memset(&status, 0, sizeof status);
  config.struct_size = sizeof config;
  status.struct_size = sizeof status;
  if (seaward_attach(&config, &vm) < 0 || seaward_get_status(vm, &status) < 0) return 1;
  printf("published %d\n", (int)status.published);
  seaward_detach(vm);
  return 0;
}
