// Text as the value of an XML attribute between single quotes. Pure.
#pragma once

#include <string>
#include <string_view>

namespace seaward {

inline std::string XmlAttribute(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '&') {
      text += "&amp;";
    } else if (c == '<') {
      text += "&lt;";
    } else if (c == '\'') {
      text += "&apos;";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace seaward
