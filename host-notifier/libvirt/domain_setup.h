// What of a domain's XML decides whether Seaward can protect it, and the XML that it lacks. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host-notifier/libvirt/domain_description.h"

namespace seaward {

// What is special about where the guest's memory comes from.
enum class BackingTrait {
  kHugePages,    // an error in the host takes a whole huge page from the guest
  kShared,       // other processes map it too: it cannot be replaced page by page
  kLocked,       // mlock: cannot be replaced by MADV_DONTNEED alone
  kPersistent,   // nvdimm or virtio-pmem: the same memory, bad pages included, comes back
  kPassthrough,  // VFIO pins it: it cannot be replaced while the VM runs
};
std::string_view ToString(BackingTrait trait);

struct DomainSetup {
  DomainDescription domain;
  bool uses_kvm = false;  // no other accelerator raises KVM_EXIT_ARM_SEA
  std::string emulator;   // empty: libvirt's choice
  std::string preload;    // LD_PRELOAD that QEMU is started with; empty: none
  std::vector<BackingTrait> backing;
};

// `xml`: <domain> as libvirt gives it, live or persistent.
Result<DomainSetup> ParseDomainSetup(std::string_view xml, std::string_view channel_name);

// To paste into a domain (`virsh edit`).
struct DomainRecipe {
  std::string channel;      // into <devices>
  std::string commandline;  // into <domain>; declares its own namespace
};

struct RecipeOptions {
  std::string channel_name;
  std::string preload_library;
  std::string attach_socket;  // empty: the library's own default
};
DomainRecipe MakeDomainRecipe(const RecipeOptions& options);

}  // namespace seaward
