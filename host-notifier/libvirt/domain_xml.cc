#include "host-notifier/libvirt/domain_xml.h"

#include <boost/property_tree/xml_parser.hpp>
#include <istream>
#include <streambuf>

namespace seaward {
namespace {

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

}  // namespace

Result<XmlTree> ParseXml(std::string_view xml) {
  if (xml.size() > kMaxDomainXml) return Fail(ErrorCode::kLimit, "domain XML is too long");
  if (TooDeep(xml)) return Fail(ErrorCode::kLimit, "domain XML is nested too deeply");
  ViewBuffer buffer(xml);
  std::istream in(&buffer);
  try {
    XmlTree tree;
    boost::property_tree::read_xml(in, tree, boost::property_tree::xml_parser::trim_whitespace);
    return tree;
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kInvalid, std::string("domain XML: ") + e.what());
  }
}

std::string XmlText(const XmlTree& tree, const char* path) {
  return tree.get<std::string>(path, std::string());
}

bool HasXmlLocalName(std::string_view tag, std::string_view name) {
  const std::size_t colon = tag.find(':');
  return colon != std::string_view::npos && tag.substr(colon + 1) == name;
}

}  // namespace seaward
