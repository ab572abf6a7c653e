#include "host-notifier/libvirt/memory_failure.h"

#include <libvirt/libvirt.h>

namespace seaward {
namespace {

const char* RecipientWord(int recipient) {
  switch (recipient) {
    case VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_HYPERVISOR:
      return "hypervisor";
    case VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST:
      return "guest";
    default:
      return "unknown";  // of a newer libvirt
  }
}

const char* ActionWord(int action) {
  switch (action) {
    case VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_IGNORE:
      return "ignore";
    case VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT:
      return "inject";
    case VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_FATAL:
      return "fatal";
    case VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_RESET:
      return "reset";
    default:
      return "unknown";
  }
}

}  // namespace

DomainMemoryFailure MemoryFailureOf(int recipient, int action, unsigned flags) {
  return {RecipientWord(recipient), ActionWord(action),
          (flags & VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED) != 0};
}

}  // namespace seaward
