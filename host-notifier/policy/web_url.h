// Where a webhook goes. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward::policy {

struct WebUrl {
  bool tls = false;
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string target;  // path and query; at least "/"

  // As the Host header names it.
  std::string Authority() const;
};

// http://HOST[:PORT][/PATH] or https://...; kInvalid, with a text for the person, for anything
// else. No user names: a password in a file that many read is none.
Result<WebUrl> ParseWebUrl(std::string_view text);

}  // namespace seaward::policy
