// libvirt's XML as a tree. Inside this folder only: nobody else needs to know how it is read.
#pragma once

#include <boost/property_tree/ptree.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host-notifier/libvirt/domain_description.h"

namespace seaward {

// Element and attribute names keep their prefixes ("qemu:env"); attributes are under "<xmlattr>".
using XmlTree = boost::property_tree::ptree;

// kLimit beyond kMaxDomainXml or when nested more deeply than any domain; kInvalid when malformed.
Result<XmlTree> ParseXml(std::string_view xml);

// What stands at `path` ("source.<xmlattr>.path"); empty when nothing does.
std::string XmlText(const XmlTree& tree, const char* path);

// Whether `tag` is `name` with any prefix ("qemu:arg"): the prefix is the writer's choice.
bool HasXmlLocalName(std::string_view tag, std::string_view name);

// `domain` is the tree inside <domain>.
Result<DomainDescription> ReadDomain(const XmlTree& domain, std::string_view channel_name);

}  // namespace seaward
