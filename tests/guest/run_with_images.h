// The beginning and the end of a test program that needs images, and may skip without them.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include "base/result.h"

namespace seaward::testing {

// kUnsupported: skips as a whole, with the reason. Another error: fails. Else `begin` with what was
// found, then all cases.
template <class Images>
int RunWithImages(int argc, char** argv, const Result<Images>& found,
                  const std::function<void(const Images&)>& begin) {
  if (!found && found.error().code == ErrorCode::kUnsupported) {
    std::printf("SEAWARD-SKIP: %s\n", found.error().Text().c_str());
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  if (!found) {
    std::printf("no images: %s\n", found.error().Text().c_str());
    return 1;
  }
  begin(*found);
  return RUN_ALL_TESTS();
}

}  // namespace seaward::testing
