#include "host-notifier/libvirt/domain_description.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <charconv>
#include <istream>
#include <streambuf>

namespace seaward {
namespace {

using Tree = boost::property_tree::ptree;

// Deeper than any domain XML; the parser recurses.
constexpr int kMaxDepth = 64;

// Reads a string_view without copying it.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // never written: a get area only
    setg(begin, begin, begin + text.size());
  }
};

// An upper bound of the nesting: counts what looks like an opening and a closing tag.
bool TooDeep(std::string_view xml) {
  int depth = 0;
  for (std::size_t i = 0; i + 1 < xml.size(); ++i) {
    if (xml[i] == '/' && xml[i + 1] == '>') --depth;
    if (xml[i] != '<') continue;
    if (xml[i + 1] == '/') {
      --depth;
    } else if (xml[i + 1] != '!' && xml[i + 1] != '?' && ++depth > kMaxDepth) {
      return true;
    }
  }
  return false;
}

Result<Tree> ParseXml(std::string_view xml) {
  if (xml.size() > kMaxDomainXml) return Fail(ErrorCode::kLimit, "domain XML is too long");
  if (TooDeep(xml)) return Fail(ErrorCode::kLimit, "domain XML is nested too deeply");
  ViewBuffer buffer(xml);
  std::istream in(&buffer);
  try {
    Tree tree;
    boost::property_tree::read_xml(in, tree, boost::property_tree::xml_parser::trim_whitespace);
    return tree;
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kInvalid, std::string("domain XML: ") + e.what());
  }
}

std::string Text(const Tree& tree, const char* path) {
  return tree.get<std::string>(path, std::string());
}

void ReadChannel(const Tree& channel, std::string_view channel_name, DomainDescription& out) {
  if (Text(channel, "target.<xmlattr>.type") != "virtio") return;
  if (Text(channel, "target.<xmlattr>.name") != channel_name) return;
  out.has_channel = true;
  const std::string path = Text(channel, "source.<xmlattr>.path");
  const bool listens = Text(channel, "source.<xmlattr>.mode") == "bind";
  if (Text(channel, "<xmlattr>.type") == "unix" && listens && !path.empty())
    out.channel_socket = path;
}

Result<DomainDescription> ReadDomain(const Tree& domain, std::string_view channel_name) {
  DomainDescription out;
  out.name = Text(domain, "name");
  if (out.name.empty()) return Fail(ErrorCode::kInvalid, "domain XML: no <name>");
  auto uuid = ParseUuid(Text(domain, "uuid"));
  if (!uuid) return Fail(ErrorCode::kInvalid, "domain XML: no valid <uuid> in " + out.name);
  out.uuid = *uuid;
  const auto features = domain.get_child_optional("features");
  out.has_ghes =
      features && features->count("acpi") > 0 && Text(*features, "ras.<xmlattr>.state") == "on";
  if (const auto devices = domain.get_child_optional("devices")) {
    for (const auto& [tag, device] : *devices)
      if (tag == "channel") ReadChannel(device, channel_name, out);
  }
  return out;
}

}  // namespace

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
  const std::string pid = Text(*status, "<xmlattr>.pid");
  const auto [end, error] = std::from_chars(pid.data(), pid.data() + pid.size(), out.pid);
  if (error != std::errc() || end != pid.data() + pid.size() || out.pid <= 0)
    return Fail(ErrorCode::kInvalid, "domain status: no valid pid");
  auto description = ReadDomain(*domain, channel_name);
  if (!description) return Forward(description);
  out.domain = std::move(*description);
  return out;
}

}  // namespace seaward
