#include "host-notifier/chaos/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace seaward::chaos {

std::string ProgressLine(const RunRecord& run, std::size_t act, std::size_t acts,
                         milliseconds elapsed) {
  const auto seconds = elapsed.count() / 1000;
  const auto rest = std::ranges::count_if(
      run.pages, [](const PageRecord& page) { return page.final_at.has_value(); });
  return fmt::format("[{:>{}}/{}] {}:{:02} {}; {} bad pages, {} at rest; {} boots", act,
                     fmt::formatted_size("{}", acts), acts, seconds / 60, seconds % 60,
                     run.acts.empty() ? std::string("begin") : run.acts.back().words,
                     run.pages.size(), rest, run.boots.size());
}

void ProgressShow::Show(const RunRecord& run, std::size_t act, milliseconds elapsed) {
  // A step that the runner adds at the end is not of the plan.
  std::string line = ProgressLine(run, std::min(act, acts_), acts_, elapsed);
  if (!terminal_) {
    if (act == shown_) return;
    shown_ = act;
    fmt::print(out_, "{}\n", line);
  } else if (line != last_) {
    // Back to its begin, and what was longer is wiped out.
    fmt::print(out_, "\r{}\033[K", line);
    last_ = std::move(line);
  }
  std::fflush(out_);
}

ProgressShow::~ProgressShow() {
  if (terminal_ && !last_.empty()) fmt::print(out_, "\n");
}

}  // namespace seaward::chaos
