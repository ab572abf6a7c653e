// The least that retiring a list of pages takes: one write to hard_offline_page each, nothing else;
// and the least that knowing what became of them takes: a look at each page's flags before and
// after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace seaward::testd {

// `count` pages, the n-th at first + n * step.
struct BareList {
  std::uint64_t first = 0;
  std::uint64_t step = 0;
  std::size_t count = 0;
};
// "0xFIRST:0xSTEP:COUNT"
std::optional<BareList> ParseBareList(const std::string& text);

class BareLoop {
 public:
  explicit BareLoop(const BareList& list) : list_(list) {}

  // Writes the next `pages` of the list; then looks at each of them twice.
  Status Run(std::size_t pages);

  std::size_t pages() const { return next_; }
  std::size_t refused() const { return refused_; }
  MonoTime::duration took() const { return took_; }
  MonoTime::duration looks_took() const { return looks_took_; }

 private:
  Status Look(std::size_t first, std::size_t pages);

  BareList list_;
  std::size_t next_ = 0;
  std::size_t refused_ = 0;
  MonoTime::duration took_{0};
  MonoTime::duration looks_took_{0};
};

}  // namespace seaward::testd
