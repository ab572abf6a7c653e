// How ranges of frames are written in replies.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "base/units.h"

namespace seaward::testd {

// [["0x<first byte>", "0x<last byte>"], ...]
nlohmann::json RangesJson(const std::vector<ByteRange>& ranges);

}  // namespace seaward::testd
