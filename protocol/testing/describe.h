// A message as text, field by field: the form that the vectors of protocol/spec.md use.
#pragma once

#include <string>

#include "protocol/messages.h"

namespace seaward::protocol::testing {

// One line; lists have one more line, indented by two spaces, per entry.
std::string Describe(const Message& message);

}  // namespace seaward::protocol::testing
