#include "host-notifier/policy/web_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace seaward::policy {
namespace {

constexpr std::size_t kLongest = 2048;

tl::unexpected<Error> Bad(std::string_view text, std::string_view why) {
  return Fail(ErrorCode::kInvalid, fmt::format("'{}' is no web address: {}", text, why));
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

std::string WebUrl::Authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = v6 ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

Result<WebUrl> ParseWebUrl(std::string_view text) {
  WebUrl url;
  std::string_view rest = text;
  if (text.size() > kLongest) return Bad(text.substr(0, 32), "it is too long");
  if (rest.starts_with("https://")) {
    url.tls = true;
  } else if (!rest.starts_with("http://")) {
    return Bad(text, "it must begin with http:// or https://");
  }
  rest.remove_prefix(url.tls ? 8 : 7);
  if (!IsPrintable(rest)) return Bad(text, "it holds spaces, control or non-ASCII characters");
  const std::size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  url.target = rest.substr(slash);
  if (url.target.find('#') != std::string::npos) return Bad(text, "a '#' part is never sent");
  if (!url.target.starts_with('/')) url.target = "/" + url.target;
  std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos)
    return Bad(text, "no user names or passwords here; use token_file");
  const bool v6 = authority.starts_with('[');
  const std::size_t bracket = v6 ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return Bad(text, "a '[' without its ']'");
  const std::size_t colon = std::min(authority.find(':', bracket), authority.size());
  url.host = v6 ? authority.substr(1, bracket - 1) : authority.substr(0, colon);
  if (v6 && colon != bracket + 1 && bracket + 1 != authority.size())
    return Bad(text, "only a port may follow the ']'");
  if (url.host.empty()) return Bad(text, "it names no host");
  url.port = url.tls ? 443 : 80;
  if (colon == authority.size()) return url;
  const std::string_view port = authority.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (error != std::errc() || end != port.data() + port.size() || url.port == 0)
    return Bad(text, fmt::format("'{}' is no port", port));
  return url;
}

}  // namespace seaward::policy
