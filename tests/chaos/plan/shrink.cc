#include "tests/chaos/plan/shrink.h"

#include <algorithm>

namespace seaward::chaos {
namespace {

std::vector<Step> Without(const std::vector<Step>& steps, std::size_t first, std::size_t count) {
  std::vector<Step> rest(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(first));
  const std::size_t behind = std::min(steps.size(), first + count);
  rest.insert(rest.end(), steps.begin() + static_cast<std::ptrdiff_t>(behind), steps.end());
  return rest;
}

}  // namespace

std::vector<Step> Shrink(std::vector<Step> steps,
                         const std::function<bool(const std::vector<Step>&)>& fails,
                         const std::function<bool()>& may_go_on) {
  // Halves first; when no piece can go, smaller pieces, down to single steps.
  std::size_t piece = (steps.size() + 1) / 2;
  while (piece > 0 && !steps.empty()) {
    bool any = false;
    for (std::size_t first = 0; first < steps.size();) {
      if (!may_go_on()) return steps;
      std::vector<Step> rest = Without(steps, first, piece);
      if (fails(rest)) {
        steps = std::move(rest);
        any = true;
      } else {
        first += piece;
      }
    }
    // What could not go before may go now that others are gone.
    if (!any && piece == 1) break;
    if (!any || piece > 1) piece = std::min((piece + 1) / 2, std::max<std::size_t>(piece - 1, 1));
  }
  return steps;
}

}  // namespace seaward::chaos
