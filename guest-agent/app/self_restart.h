// The agent's own memory can go bad like any other. The kernel then takes the page and sends SIGBUS
// at the next touch, or answers EFAULT to a system call: the process cannot go on, but a new image
// of it in its place can, with new memory and the boot log for a memory.
#pragma once

namespace seaward::agent {

// From now on a SIGBUS for a machine check (BUS_MCEERR_AR) runs `path` with `argv` in place of this
// process. Both stay valid for the life of the process. Any other SIGBUS kills as usual.
void RestartOnOwnMemoryError(const char* path, char* const* argv);

// The same at once; needs the call above before. Returns only when the kernel refuses.
void RestartSelf();

}  // namespace seaward::agent
