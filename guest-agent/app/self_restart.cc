#include "guest-agent/app/self_restart.h"

#include <unistd.h>

#include <array>
#include <csignal>

namespace seaward::agent {
namespace {

// A signal handler has no other way to its data.
const char* restart_path = nullptr;
char* const* restart_argv = nullptr;
// The stack may be the page that went bad.
alignas(16) std::array<char, 32768> handler_stack;

void OnBusError(int signal, siginfo_t* info, void*) {
  if (info->si_code == BUS_MCEERR_AR) RestartSelf();
  // Not for us, or the new image could not start: let the touch repeat and kill.
  std::signal(signal, SIG_DFL);
}

}  // namespace

void RestartOnOwnMemoryError(const char* path, char* const* argv) {
  restart_path = path;
  restart_argv = argv;
  stack_t stack{};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (::sigaltstack(&stack, nullptr) != 0 || ::sigaction(SIGBUS, &action, nullptr) != 0) return;
  // A restart out of the handler inherits its blocked signal.
  sigset_t bus;
  sigemptyset(&bus);
  sigaddset(&bus, SIGBUS);
  (void)::sigprocmask(SIG_UNBLOCK, &bus, nullptr);
}

void RestartSelf() {
  if (restart_path != nullptr) ::execv(restart_path, restart_argv);
}

}  // namespace seaward::agent
