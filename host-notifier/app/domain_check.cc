#include "host-notifier/app/domain_check.h"

#include <algorithm>

namespace seaward {
namespace {

using observe::Finding;
using observe::FindingState;

std::string_view FileName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// The interposer among the objects of LD_PRELOAD (ld.so(8): colons or spaces); empty: not there.
std::string InterposerIn(const std::string& preload) {
  for (std::size_t at = 0; at < preload.size();) {
    const std::size_t end = std::min(preload.find_first_of(": ", at), preload.size());
    std::string object = preload.substr(at, end - at);
    if (FileName(object) == kPreloadName) return object;
    at = end + 1;
  }
  return {};
}

Finding Accelerator(const DomainSetup& setup) {
  if (setup.uses_kvm) return {"accelerator", FindingState::kOk, "KVM"};
  return {"accelerator", FindingState::kLacking,
          "not type='kvm': an emulated CPU raises no KVM_EXIT_ARM_SEA"};
}

Finding Channel(const DomainSetup& setup) {
  if (!setup.domain.has_channel)
    return {"channel", FindingState::kLacking, "no virtio channel to the agent"};
  return {"channel", FindingState::kOk,
          setup.domain.channel_socket ? *setup.domain.channel_socket : "through libvirt's stream"};
}

Finding Preload(const DomainSetup& setup, const DomainLife& life, const FileExists& exists) {
  const std::string object = InterposerIn(setup.preload);
  if (!object.empty()) {
    if (!exists(object))
      return {"preload", FindingState::kLacking,
              object + " is not there: the loader passes over it without a word"};
    return {"preload", FindingState::kOk, object};
  }
  if (FileName(setup.emulator).starts_with(kEmulatorWrapperPrefix))
    return {"preload", FindingState::kOk, "by the emulator wrapper " + setup.emulator};
  if (life.attached) return {"preload", FindingState::kOk, "the VMM attaches by itself"};
  return {"preload", FindingState::kLacking,
          "QEMU starts without " + std::string(kPreloadName) + " (LD_PRELOAD or a wrapper)"};
}

Finding Attached(const DomainLife& life) {
  if (!life.running) return {"attached", FindingState::kNote, "the VM does not run"};
  if (life.attached) return {"attached", FindingState::kOk, "a VMM publishes its exits"};
  return {"attached", FindingState::kLacking,
          "no VMM is attached: memory errors are not seen (a change of the XML counts from the "
          "next start)"};
}

Finding Agent(const DomainLife& life) {
  if (!life.running) return {"agent", FindingState::kNote, "the VM does not run"};
  if (life.session == "live" || life.session == "probing")
    return {"agent", FindingState::kOk, "the agent in the guest answers"};
  return {"agent", FindingState::kLacking,
          "no agent answers in the guest" +
              (life.session.empty() ? std::string() : " (session: " + life.session + ")")};
}

Finding Ghes(const DomainSetup& setup) {
  if (setup.domain.has_ghes)
    return {"ghes", FindingState::kOk, "QEMU replaces a page that the host retired at a reset"};
  return {
      "ghes", FindingState::kNote,
      "no <acpi/> with <ras state='on'/>: frames are retired in the host only when the VM ends"};
}

std::string_view Meaning(BackingTrait trait) {
  switch (trait) {
    case BackingTrait::kHugePages:
      return "huge pages: retiring a frame in the host takes the whole huge page";
    case BackingTrait::kShared:
      return "shared memory: a bad page cannot be replaced while the VM runs";
    case BackingTrait::kLocked:
      return "locked memory: a bad page cannot be replaced by MADV_DONTNEED";
    case BackingTrait::kPersistent:
      return "persistent memory: the same bad pages come back after destroy and start";
    case BackingTrait::kPassthrough:
      return "device passthrough pins the memory: a bad page cannot be replaced, and devices may "
             "read it";
  }
  return "";
}

Finding Backing(const DomainSetup& setup) {
  if (setup.backing.empty()) return {"backing", FindingState::kOk, "private, anonymous memory"};
  std::string text;
  for (const BackingTrait trait : setup.backing) {
    if (!text.empty()) text += "; ";
    text += Meaning(trait);
  }
  return {"backing", FindingState::kNote, text};
}

}  // namespace

std::vector<Finding> CheckDomain(const DomainSetup& setup, const DomainLife& life,
                                 const FileExists& exists) {
  return {Accelerator(setup), Channel(setup), Preload(setup, life, exists),
          Attached(life),     Agent(life),    Ghes(setup),
          Backing(setup)};
}

std::vector<Finding> CheckStaticVm(const DomainLife& life) {
  return {Attached(life), Agent(life)};
}

std::vector<observe::RecipePart> RecipeFor(const DomainSetup& setup, const RecipeOptions& options) {
  const DomainRecipe recipe = MakeDomainRecipe(options);
  return {{"channel", "devices", recipe.channel, setup.domain.has_channel},
          {"commandline", "domain", recipe.commandline, !InterposerIn(setup.preload).empty()}};
}

}  // namespace seaward
