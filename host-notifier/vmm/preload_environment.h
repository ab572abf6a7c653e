// The interposer's settings, all from the environment: it has no other way in.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "host-notifier/vmm/injection.h"
#include "host-notifier/vmm/kvm_calls.h"

namespace seaward::vmm {

struct PreloadEnvironment {
  std::string attach_socket;              // SEAWARD_ATTACH_SOCKET
  InjectMode inject = InjectMode::kAuto;  // SEAWARD_INJECT = auto | native | kvm | exact | none
  std::chrono::milliseconds native_wait = kDefaultNativeWait;  // SEAWARD_NATIVE_WAIT_MS
  std::chrono::microseconds hold{0};                           // SEAWARD_HOLD_US
  bool silent = false;  // SEAWARD_LOG = off | error | info | debug
  LogLevel threshold = LogLevel::kInfo;
  std::vector<std::string> complaints;  // values that were not understood; defaults hold

  bool Says(LogLevel level) const { return !silent && level >= threshold; }
};

// `get` is getenv.
PreloadEnvironment ReadPreloadEnvironment(const std::function<const char*(const char*)>& get);

// "anon_inode:kvm-vm", "anon_inode:kvm-vcpu:3"
FdIdentity IdentifyByName(std::string_view name);

}  // namespace seaward::vmm
