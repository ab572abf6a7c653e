#include "tests/support/temp_dir.h"

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>

namespace seaward::testing {

TempDir::TempDir() {
  char path[] = "/tmp/swd-XXXXXX";
  if (::mkdtemp(path) == nullptr) throw std::runtime_error("mkdtemp under /tmp");
  path_ = path;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace seaward::testing
