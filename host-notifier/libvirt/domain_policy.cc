#include "host-notifier/libvirt/domain_policy.h"

#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

namespace seaward {
namespace {

// As long as the longest configuration file.
constexpr std::size_t kLongest = std::size_t{256} << 10;

}  // namespace

std::optional<std::string> PolicyTextOf(std::string_view element) {
  if (element.size() > kLongest) return std::nullopt;
  std::istringstream in{std::string(element)};
  try {
    boost::property_tree::ptree tree;
    // Spaces are kept: in YAML they mean something.
    boost::property_tree::read_xml(in, tree);
    for (const auto& [tag, inside] : tree)
      if (tag != "<xmlcomment>") return inside.data();
  } catch (const std::exception&) {
    return std::nullopt;  // libvirt gave it, so that it is XML; not ours to mend
  }
  return std::nullopt;
}

}  // namespace seaward
