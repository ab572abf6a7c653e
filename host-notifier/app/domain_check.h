// What a domain lacks to be protected, judged from its XML and from what the notifier sees of it.
// Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "host-notifier/libvirt/domain_setup.h"
#include "host-notifier/observe/domain_report.h"

namespace seaward {

// Emulators of this name set LD_PRELOAD themselves (configs/libvirt/seaward-qemu).
inline constexpr std::string_view kEmulatorWrapperPrefix = "seaward-";
inline constexpr std::string_view kPreloadName = "libseaward-preload.so";

// What the notifier sees of the VM now.
struct DomainLife {
  bool running = false;
  bool attached = false;
  std::string session = {};  // the phase's word; empty: the notifier does not know the VM
};

// Whether a file is there for QEMU to load.
using FileExists = std::function<bool(const std::string& path)>;

std::vector<observe::Finding> CheckDomain(const DomainSetup& setup, const DomainLife& life,
                                          const FileExists& exists);
// A VM of the configuration: whoever starts its VMM is responsible for the rest.
std::vector<observe::Finding> CheckStaticVm(const DomainLife& life);

std::vector<observe::RecipePart> RecipeFor(const DomainSetup& setup, const RecipeOptions& options);

}  // namespace seaward
