// What was asked of the two command servers and what they answered, one JSON object per line, in
// order: the raw material of what only they can know (how a process ended, what memory was handed
// out). tests/lab/derive-report reads it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::lab {

class Transcript {
 public:
  static Result<Transcript> Create(const std::string& path, const Clock& clock);

  // Adds {"at_s": seconds since creation, "what": what, ...fields}.
  void Add(const std::string& what, const nlohmann::json& fields);
  double SecondsSoFar() const;

 private:
  Transcript(UniqueFd file, const Clock& clock)
      : file_(std::move(file)), clock_(&clock), start_(clock.Now()) {}
  UniqueFd file_;
  const Clock* clock_;
  MonoTime start_;
};

}  // namespace seaward::lab
