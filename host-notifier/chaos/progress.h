// How far a run is, for who watches it: one line that is written over on a terminal, one line a
// step elsewhere.
#pragma once

#include <cstdio>
#include <string>

#include "host-notifier/chaos/plan.h"
#include "host-notifier/chaos/record.h"

namespace seaward::chaos {

// "[ 3/40] 0:12 poison report latent 2 pages; 5 bad pages, 4 at rest; 1 boot". `act`: counted
// from 1.
std::string ProgressLine(const RunRecord& run, std::size_t act, std::size_t acts,
                         milliseconds elapsed);

class ProgressShow {
 public:
  ProgressShow(std::FILE* out, bool terminal, std::size_t acts)
      : out_(out), terminal_(terminal), acts_(acts) {}
  ~ProgressShow();
  ProgressShow(const ProgressShow&) = delete;
  ProgressShow& operator=(const ProgressShow&) = delete;
  void Show(const RunRecord& run, std::size_t act, milliseconds elapsed);

 private:
  std::FILE* const out_;
  const bool terminal_;
  const std::size_t acts_;
  std::size_t shown_ = 0;
  std::string last_;
};

}  // namespace seaward::chaos
