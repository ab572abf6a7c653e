// The two ways in which operators run libvirtd, and where each keeps its things in the emulated
// host.
#pragma once

#include <string>

namespace seaward::lab {

enum class LibvirtMode {
  kSession,  // as one user (nobody), who is QEMU's too
  kSystem,   // as root; QEMU as libvirt-qemu, in a mount namespace of its own
};

struct LibvirtPlaces {
  std::string uri;
  std::string sockets;  // folder: where QEMU's channels may be bound
  std::string running;  // folder: NAME.pid and NAME.xml of running domains
  std::string logs;     // folder: NAME.log, what QEMU says
};

inline const LibvirtPlaces& PlacesOf(LibvirtMode mode) {
  static const LibvirtPlaces session{"qemu+unix:///session?socket=/run/lv/rt/libvirt/libvirt-sock",
                                     "/run/lv/rt", "/run/lv/rt/libvirt/qemu/run",
                                     "/run/lv/cache/libvirt/qemu/log"};
  static const LibvirtPlaces system{"qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
                                    "/var/lib/libvirt/qemu", "/run/libvirt/qemu",
                                    "/var/log/libvirt/qemu"};
  return mode == LibvirtMode::kSession ? session : system;
}

}  // namespace seaward::lab
