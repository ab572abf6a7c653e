// A VMM for attach_test.cc: publishes as fast as it can until it is killed. Every field of a record
// follows from its page, so that a torn one would show.
#include "seaward/vmm.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  seaward_config config{};
  config.struct_size = sizeof config;
  config.attach_socket = argv[1];
  seaward_vmm* vm = nullptr;
  if (seaward_attach(&config, &vm) != 0) return 1;
  seaward_exit exit{};
  exit.struct_size = sizeof exit;
  exit.flags = SEAWARD_EXIT_GPA_VALID;
  for (;;) {
    exit.gva = ~exit.gpa;
    exit.hva = exit.gpa + 1;
    exit.esr = exit.gpa >> 12;
    if (seaward_publish(vm, &exit) == SEAWARD_PUBLISHED) exit.gpa += 4096;
  }
}
