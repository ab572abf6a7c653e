// Which domain a process belongs to, according to files that libvirt owns. Needs no libvirtd: it
// works while the daemon is down.
//
// A status file names the pid. The pid file beside it proves that the pid is still that process:
// QEMU inherits libvirt's lock on it and holds it until it dies, so a reused pid is told apart.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "host-notifier/libvirt/domain_description.h"

namespace seaward {

class StatusDirectory {
 public:
  // `path` is libvirt's run folder: /run/libvirt/qemu, or $XDG_RUNTIME_DIR/libvirt/qemu/run.
  StatusDirectory(std::string path, std::string channel_name)
      : path_(std::move(path)), channel_name_(std::move(channel_name)) {}

  // The domain that `pid` runs. kNotFound when libvirt knows of none; kDenied when a file names
  // the pid but cannot be trusted (foreign owner, writable by others, lock not held by it).
  Result<DomainStatus> FindByPid(pid_t pid) const;

  // The running domain with this name; errors as above.
  Result<DomainStatus> FindByName(const std::string& name) const;

 private:
  std::vector<std::string> PidFiles() const;

  std::string path_;
  std::string channel_name_;
};

}  // namespace seaward
