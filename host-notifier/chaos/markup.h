// Text inside XML and HTML, between tags or quotes. Pure.
#pragma once

#include <string>
#include <string_view>

namespace seaward::chaos {

// What no document may hold (control bytes) becomes a space; bytes beyond ASCII stay as they are.
inline std::string Escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return safe;
}

}  // namespace seaward::chaos
