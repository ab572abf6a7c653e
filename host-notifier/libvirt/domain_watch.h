// What libvirt tells about domains, as calls on the event loop's thread. No libvirt type crosses.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/uuid.h"
#include "host-notifier/libvirt/domain_description.h"

namespace seaward {

// Why a domain is no longer running.
enum class DomainEnd {
  kShutdown,   // the guest powered off
  kDestroyed,  // somebody pulled the plug
  kCrashed,    // QEMU died
  kMigrated,   // it runs elsewhere now
  kSaved,
  kFailed,
  kUnknown,  // it ended while libvirt was out of reach
};

std::string_view ToString(DomainEnd end);

// An error of memory that the hypervisor met, as libvirt tells of it: without a place. Words for
// people; libvirt may grow others.
struct DomainMemoryFailure {
  std::string recipient;  // hypervisor, guest or unknown
  std::string action;     // ignore, inject, fatal, reset or unknown
  bool action_required = false;
};

class DomainListener {
 public:
  virtual ~DomainListener() = default;
  // It runs. Repeated after every reconnect to libvirtd and when its description may have changed.
  virtual void DomainSeen(const DomainDescription& domain) = 0;
  // The guest has powered off; its memory still belongs to QEMU. Not always sent.
  virtual void DomainShuttingDown(const Uuid& domain) = 0;
  virtual void DomainGone(const Uuid& domain, DomainEnd end) = 0;
  // The guest restarts in the same QEMU: same memory, new boot.
  virtual void DomainRebooted(const Uuid& domain) = 0;
  // The guest goes on, in the same QEMU: where it stopped, or where a snapshot of it was taken.
  virtual void DomainResumed(const Uuid& domain) = 0;
  virtual void DomainMetMemoryFailure(const Uuid& domain, const DomainMemoryFailure& failure) = 0;
  // `why` is for people; empty when connected.
  virtual void LibvirtReachable(bool reachable, const std::string& why) = 0;
};

// A domain as libvirt describes it: the live XML while it runs, otherwise the persistent one.
struct DomainXml {
  std::string xml;
  bool running = false;
};

struct LibvirtOptions {
  std::string uri;
  std::string channel_name;
  // Between attempts to reach libvirtd. It starts on demand within tens of milliseconds; an hour
  // of downtime must not cost a busy loop.
  std::chrono::milliseconds retry_first{100};
  std::chrono::milliseconds retry_longest{5000};
};

}  // namespace seaward
