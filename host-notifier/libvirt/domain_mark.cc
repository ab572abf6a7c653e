#include "host-notifier/libvirt/domain_mark.h"

#include "host-notifier/libvirt/xml_attribute.h"

namespace seaward {

std::string ToXml(const DomainMark& mark) {
  std::string xml = "<state safe-to-migrate='";
  xml += mark.safe_to_migrate ? "yes" : "no";
  xml += "' unhealed-pages='" + std::to_string(mark.unhealed_pages) + "'";
  if (!mark.reason.empty()) xml += " reason='" + XmlAttribute(mark.reason) + "'";
  return xml + "/>";
}

}  // namespace seaward
