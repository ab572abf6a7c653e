#include "tests/support/testd/fault_report.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>

#ifdef __aarch64__
#include <asm/sigcontext.h>
#endif
#include <ucontext.h>

namespace seaward::testd {
namespace {

constexpr char kLastWords[] = "fault %" SCNx64 " %" SCNx64;

int report_to = -1;

// The syndrome is one of the records that the kernel leaves behind the registers.
std::uint64_t SyndromeIn(const ucontext_t& context) {
#ifdef __aarch64__
  const auto& records = context.uc_mcontext.__reserved;
  for (std::size_t at = 0; at + sizeof(esr_context) <= sizeof(records);) {
    _aarch64_ctx head;
    std::memcpy(&head, records + at, sizeof(head));
    if (head.magic == ESR_MAGIC) {
      esr_context record;
      std::memcpy(&record, records + at, sizeof(record));
      return record.esr;
    }
    if (head.size < sizeof(head)) break;
    at += head.size;
  }
#else
  (void)context;
#endif
  return 0;
}

// Only calls that are safe in a signal handler; snprintf of two numbers is, in the C library here.
void TellWaitAndDie(int number, siginfo_t* info, void* context) {
  char words[64];
  const int length = std::snprintf(words, sizeof(words), "fault %" PRIx64 " %" PRIxPTR,
                                   SyndromeIn(*static_cast<ucontext_t*>(context)),
                                   reinterpret_cast<std::uintptr_t>(info->si_addr));
  ::send(report_to, words, static_cast<std::size_t>(length), MSG_NOSIGNAL);
  char next = 0;
  (void)!::recv(report_to, &next, sizeof(next), 0);  // its death may take the kernel with it
  ::signal(number, SIG_DFL);
  ::kill(::getpid(), number);  // delivered when the handler returns
}

}  // namespace

void ReportFaultTo(int fd) {
  report_to = fd;
  struct sigaction action {};
  action.sa_sigaction = TellWaitAndDie;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

std::optional<Fault> ReadFault(const std::string& words) {
  Fault fault;
  if (std::sscanf(words.c_str(), kLastWords, &fault.esr, &fault.address) != 2) return std::nullopt;
  return fault;
}

}  // namespace seaward::testd
