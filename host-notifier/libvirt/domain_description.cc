#include "host-notifier/libvirt/domain_description.h"

#include <algorithm>
#include <charconv>

#include "host-notifier/libvirt/domain_xml.h"

namespace seaward {
namespace {

void ReadChannel(const XmlTree& channel, std::string_view channel_name, DomainDescription& out) {
  if (XmlText(channel, "target.<xmlattr>.type") != "virtio") return;
  if (XmlText(channel, "target.<xmlattr>.name") != channel_name) return;
  out.has_channel = true;
  const std::string path = XmlText(channel, "source.<xmlattr>.path");
  const bool listens = XmlText(channel, "source.<xmlattr>.mode") == "bind";
  if (XmlText(channel, "<xmlattr>.type") == "unix" && listens && !path.empty())
    out.channel_socket = path;
}

// Takes over what a list of machine options ("virt,ras=on") says about RAS.
void ReadRas(std::string_view options, bool& ras) {
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find(','));
    if (option == "ras=on") ras = true;
    if (option == "ras=off") ras = false;
    options.remove_prefix(std::min(option.size() + 1, options.size()));
  }
}

// libvirt before 10.4 knows no <ras>; there QEMU's machine option is given by hand.
bool RasByHand(const XmlTree& domain) {
  bool ras = false;
  for (const auto& [tag, commandline] : domain) {
    if (!HasXmlLocalName(tag, "commandline")) continue;
    bool options_follow = false;
    for (const auto& [inner, argument] : commandline) {
      if (!HasXmlLocalName(inner, "arg")) continue;
      const std::string value = XmlText(argument, "<xmlattr>.value");
      if (options_follow) ReadRas(value, ras);
      options_follow = value == "-machine" || value == "-M";
    }
  }
  return ras;
}

bool HasGhes(const XmlTree& domain) {
  const auto features = domain.get_child_optional("features");
  if (!features || features->count("acpi") == 0) return false;
  const std::string ras = XmlText(*features, "ras.<xmlattr>.state");
  return ras.empty() ? RasByHand(domain) : ras == "on";
}

}  // namespace

Result<DomainDescription> ReadDomain(const XmlTree& domain, std::string_view channel_name) {
  DomainDescription out;
  out.name = XmlText(domain, "name");
  if (out.name.empty()) return Fail(ErrorCode::kInvalid, "domain XML: no <name>");
  auto uuid = ParseUuid(XmlText(domain, "uuid"));
  if (!uuid) return Fail(ErrorCode::kInvalid, "domain XML: no valid <uuid> in " + out.name);
  out.uuid = *uuid;
  out.has_ghes = HasGhes(domain);
  if (const auto devices = domain.get_child_optional("devices")) {
    for (const auto& [tag, device] : *devices)
      if (tag == "channel") ReadChannel(device, channel_name, out);
  }
  return out;
}

Result<DomainDescription> ParseDomainXml(std::string_view xml, std::string_view channel_name) {
  auto tree = ParseXml(xml);
  if (!tree) return Forward(tree);
  const auto domain = tree->get_child_optional("domain");
  if (!domain) return Fail(ErrorCode::kInvalid, "domain XML: no <domain>");
  return ReadDomain(*domain, channel_name);
}

Result<DomainStatus> ParseDomainStatus(std::string_view xml, std::string_view channel_name) {
  auto tree = ParseXml(xml);
  if (!tree) return Forward(tree);
  const auto status = tree->get_child_optional("domstatus");
  const auto domain = tree->get_child_optional("domstatus.domain");
  if (!status || !domain) return Fail(ErrorCode::kInvalid, "domain status: no <domstatus>");
  DomainStatus out;
  const std::string pid = XmlText(*status, "<xmlattr>.pid");
  const auto [end, error] = std::from_chars(pid.data(), pid.data() + pid.size(), out.pid);
  if (error != std::errc() || end != pid.data() + pid.size() || out.pid <= 0)
    return Fail(ErrorCode::kInvalid, "domain status: no valid pid");
  auto description = ReadDomain(*domain, channel_name);
  if (!description) return Forward(description);
  out.domain = std::move(*description);
  return out;
}

}  // namespace seaward
