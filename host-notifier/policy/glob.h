// Names of VMs as operators write them: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a character
// that is to stand for itself. Pure; matching takes at most |pattern| x |text| steps.
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seaward::policy {

class Glob {
 public:
  // kInvalid, with a text for the person, for a pattern that cannot mean anything.
  static Result<Glob> Parse(std::string_view pattern);
  bool Matches(std::string_view text) const;
  bool MatchesAll() const { return parts_.size() == 1 && !parts_.front(); }
  const std::string& pattern() const { return pattern_; }

 private:
  using Bytes = std::bitset<256>;
  explicit Glob(std::string_view pattern) : pattern_(pattern) {}

  std::string pattern_;
  std::vector<std::optional<Bytes>> parts_;  // one byte each; nullopt: any number of bytes
};

}  // namespace seaward::policy
