#include "host-notifier/libvirt/chaos_mark.h"

#include <sstream>

#include "host-notifier/libvirt/domain_xml.h"

namespace seaward {

Result<std::vector<std::string>> ChaosWordsOf(std::string_view element) {
  auto tree = ParseXml(element);
  if (!tree) return Forward(tree);
  for (const auto& [tag, inside] : *tree) {
    if (tag != "chaos" && !HasXmlLocalName(tag, "chaos")) continue;
    const auto allow = inside.get_optional<std::string>("<xmlattr>.allow");
    if (!allow) return Fail(ErrorCode::kInvalid, "<chaos> has no attribute 'allow'");
    std::istringstream in(*allow);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
  }
  return Fail(ErrorCode::kInvalid, "no element <chaos>");
}

}  // namespace seaward
