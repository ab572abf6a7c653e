#include "host-notifier/app/migration_judgement.h"

#include <fmt/format.h>

namespace seaward {
namespace {

std::string Counted(std::uint64_t count, std::string_view one, std::string_view more) {
  return fmt::format("{} {}", count, count == 1 ? one : more);
}

void Add(std::string& reason, const std::string& more) {
  if (!reason.empty()) reason += "; ";
  reason += more;
}

}  // namespace

observe::MigrationState JudgeMigration(const MigrationFacts& facts) {
  observe::MigrationState state;
  state.unhealed_pages = facts.unhealed.pages;
  state.unhealed_bytes = facts.unhealed.bytes;
  state.unlocated_events = facts.unhealed.placeless_events;
  if (state.unhealed_pages > 0)
    Add(state.reason,
        fmt::format("{} of bad memory ({} bytes) would be read",
                    Counted(state.unhealed_pages, "page", "pages"), state.unhealed_bytes));
  if (state.unlocated_events > 0)
    Add(state.reason, Counted(state.unlocated_events, "memory error", "memory errors") +
                          " without a known place");
  if (facts.not_yet_recorded > 0)
    Add(state.reason,
        Counted(facts.not_yet_recorded, "error", "errors") + " on the way to the record");
  if (facts.lost > 0)
    Add(state.reason,
        Counted(facts.lost, "exit was", "exits were") + " lost: bad pages may be unknown");
  state.safe = state.reason.empty();
  return state;
}

observe::MigrationState MigrationNotKnownYet() {
  observe::MigrationState state;
  state.safe = false;
  state.reason = "the record of this VM is not read yet";
  return state;
}

}  // namespace seaward
