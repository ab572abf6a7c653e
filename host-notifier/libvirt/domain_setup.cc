#include "host-notifier/libvirt/domain_setup.h"

#include <algorithm>

#include "host-notifier/libvirt/domain_xml.h"
#include "host-notifier/libvirt/xml_attribute.h"

namespace seaward {
namespace {

constexpr std::string_view kQemuNamespace = "http://libvirt.org/schemas/domain/qemu/1.0";

void Note(std::vector<BackingTrait>& traits, BackingTrait trait) {
  if (std::find(traits.begin(), traits.end(), trait) == traits.end()) traits.push_back(trait);
}

void ReadMemoryBacking(const XmlTree& backing, std::vector<BackingTrait>& traits) {
  if (backing.count("hugepages") > 0) Note(traits, BackingTrait::kHugePages);
  if (XmlText(backing, "access.<xmlattr>.mode") == "shared") Note(traits, BackingTrait::kShared);
  if (backing.count("locked") > 0) Note(traits, BackingTrait::kLocked);
}

void ReadDevices(const XmlTree& devices, DomainSetup& setup) {
  setup.emulator = XmlText(devices, "emulator");
  for (const auto& [tag, device] : devices) {
    const std::string model = XmlText(device, "<xmlattr>.model");
    if (tag == "memory" && (model == "nvdimm" || model == "virtio-pmem"))
      Note(setup.backing, BackingTrait::kPersistent);
    const std::string type = XmlText(device, "<xmlattr>.type");
    if (tag == "hostdev" && (type == "pci" || type == "mdev"))
      Note(setup.backing, BackingTrait::kPassthrough);
  }
}

void ReadEnvironment(const XmlTree& domain, DomainSetup& setup) {
  for (const auto& [tag, commandline] : domain) {
    if (!HasXmlLocalName(tag, "commandline")) continue;
    for (const auto& [inner, env] : commandline)
      if (HasXmlLocalName(inner, "env") && XmlText(env, "<xmlattr>.name") == "LD_PRELOAD")
        setup.preload = XmlText(env, "<xmlattr>.value");
  }
}

std::string Environment(std::string_view name, std::string_view value) {
  return "  <qemu:env name='" + std::string(name) + "' value='" + XmlAttribute(value) + "'/>\n";
}

}  // namespace

std::string_view ToString(BackingTrait trait) {
  switch (trait) {
    case BackingTrait::kHugePages:
      return "huge_pages";
    case BackingTrait::kShared:
      return "shared";
    case BackingTrait::kLocked:
      return "locked";
    case BackingTrait::kPersistent:
      return "persistent";
    case BackingTrait::kPassthrough:
      return "passthrough";
  }
  return "";
}

Result<DomainSetup> ParseDomainSetup(std::string_view xml, std::string_view channel_name) {
  auto tree = ParseXml(xml);
  if (!tree) return Forward(tree);
  const auto domain = tree->get_child_optional("domain");
  if (!domain) return Fail(ErrorCode::kInvalid, "domain XML: no <domain>");
  auto description = ReadDomain(*domain, channel_name);
  if (!description) return Forward(description);
  DomainSetup setup;
  setup.domain = std::move(*description);
  setup.uses_kvm = XmlText(*domain, "<xmlattr>.type") == "kvm";
  if (const auto backing = domain->get_child_optional("memoryBacking"))
    ReadMemoryBacking(*backing, setup.backing);
  if (const auto devices = domain->get_child_optional("devices")) ReadDevices(*devices, setup);
  ReadEnvironment(*domain, setup);
  return setup;
}

DomainRecipe MakeDomainRecipe(const RecipeOptions& options) {
  DomainRecipe recipe;
  recipe.channel =
      "<channel type='unix'>\n"
      "  <target type='virtio' name='" +
      XmlAttribute(options.channel_name) +
      "'/>\n"
      "</channel>\n";
  recipe.commandline = "<qemu:commandline xmlns:qemu='" + std::string(kQemuNamespace) + "'>\n" +
                       Environment("LD_PRELOAD", options.preload_library);
  if (!options.attach_socket.empty())
    recipe.commandline += Environment("SEAWARD_ATTACH_SOCKET", options.attach_socket);
  recipe.commandline += "</qemu:commandline>\n";
  return recipe;
}

}  // namespace seaward
