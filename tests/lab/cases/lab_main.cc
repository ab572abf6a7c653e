// Every lab program's beginning and end.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/test_images.h"

namespace {

// Prints why nothing can be tested, in the words of the package tool, when no kernel is obtainable:
// the one permitted skip.
bool MustSkip() {
  const auto images = seaward::testing::FindGuestImages();
  if (images || images.error().code != seaward::ErrorCode::kUnsupported) return false;
  std::printf("SEAWARD-SKIP: %s\n", images.error().Text().c_str());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (MustSkip()) return 0;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
