// How a bad page shows itself: which syndrome hardware gives for an access to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward::lab {

struct PoisonKind {
  // The hardware does not say where: FnV = 1. For table walks it always does.
  bool without_address = false;
  // The page is a translation table of the guest, of this stage-1 level (-1 to 3): what a walk that
  // reads it reports. Not in the syndrome of a stage-2 fault, so whoever poisons has to say it.
  int table_level = 3;
  // ESR_ELx.SET = 0b10: the error may have spread.
  bool uncontainable = false;

  // Words that change the default: "located" (nothing), "fnv", "walk:LEVEL", "uncontainable".
  static Result<PoisonKind> Parse(std::string_view words);
  std::string Text() const;

  // What the trampoline puts into bits 12:0 of the syndrome: for plain accesses (bits 15:0) and,
  // 16 bits further up, for accesses of a stage-1 walk.
  std::uint64_t Syndromes() const;

  bool operator==(const PoisonKind&) const = default;
};

}  // namespace seaward::lab
