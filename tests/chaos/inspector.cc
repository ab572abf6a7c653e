#include "tests/chaos/inspector.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>

#include "base/clock.h"
#include "tests/support/wait_until.h"

namespace seaward::chaos {
namespace {

// Above the scatter of allocators and of connections that come and go, far below what a leak makes
// of a hundred steps.
constexpr std::uint64_t kMoreRssKb = 24U << 10;
constexpr std::uint64_t kMoreDescriptors = 4;
// Of a second in which nothing happens. A loop that spins takes what the machine has left, which
// beside emulated machines is a fifth of a core at least.
constexpr std::chrono::milliseconds kWindow{1000};
constexpr std::uint64_t kIdleCpuMs = 80;
constexpr int kWindows = 3;
// All of a guest's memory is taken in pages of a list on one line.
constexpr std::size_t kMostWanted = 400;
constexpr std::uint64_t kHugePage = 64U << 10;

std::string Describe(const LedgerRow& row) {
  return fmt::format("page {} at {} +{}: life '{}', outcome '{}', kind '{}', stage '{}'", row.id,
                     FormatAddress(row.range.start().value), row.range.length(), row.life,
                     row.outcome, row.kind, row.stage);
}

Violation Of(std::string invariant, std::string what) {
  return {std::move(invariant), std::move(what)};
}

Violation Harness(const Error& error) {
  return Of("machines", error.Text());
}

bool TakenOutOfUse(const LedgerRow& row) {
  return row.life == "retired" && (row.outcome == "retired" || row.outcome == "already_retired");
}

// The frame is flagged, nobody has it, and it waits in no list for somebody.
std::string WhatIsWrongWith(const FlagSet& flags) {
  if (!flags.contains("HWPOISON")) return "not flagged";
  for (const char* use : {"BUDDY", "SLAB", "PGTABLE", "RESERVED"})
    if (flags.contains(use)) return std::string("still ") + use;
  return {};
}

bool Holds(const std::vector<const LedgerRow*>& rows) {
  return rows.size() == 1;
}

}  // namespace

std::optional<Violation> Inspector::Settle(Depth depth) {
  auto died = machines_.AgentDiedAlone();
  if (!died) return Harness(died.error());
  if (*died) return Of("agent_lives", "the agent died by itself");
  if (auto well = machines_.MakeWell(); !well) return Harness(well.error());
  const auto picture = AwaitAnswers();
  if (!picture) return MissingAnswer();

  if (auto found = CheckRows(*picture)) return found;
  if (auto found = CheckVerdicts(*picture)) return found;
  if (auto found = CheckReplay(*picture)) return found;
  if (auto found = CheckLosses(*picture)) return found;
  if (auto found = CheckFrames(*picture)) return found;
  if (auto found = CheckOldMemory()) return found;
  if (auto found = CheckProcesses()) return found;
  if (depth == Depth::kQuick) return std::nullopt;
  if (auto found = CheckHandout(*picture)) return found;
  return CheckRest();
}

std::optional<Violation> Inspector::SettleWithoutGuest() {
  const auto picture = LookAtLedger(machines_);
  if (!picture) return Harness(picture.error());
  if (auto found = CheckRows(*picture)) return found;
  return CheckLosses(*picture);
}

std::size_t Inspector::Answered(const LedgerPicture& picture) const {
  if (picture.open_incarnations.size() != 1 || picture.boot != machines_.guest().boot_id())
    return 0;
  const auto answered = [&](const Fact& fact) {
    const auto rows = picture.About(fact.range);
    return !rows.empty() && std::ranges::all_of(rows, [](const LedgerRow* row) {
      return IsSettled(*row) || row->life == "deferred";
    });
  };
  return 1 + static_cast<std::size_t>(std::ranges::count_if(book_.facts(), answered));
}

std::optional<LedgerPicture> Inspector::AwaitAnswers() {
  const SystemClock clock;
  std::size_t most = 0;
  MonoTime news = clock.Now();
  const std::uint64_t exits = machines_.exits().taken;
  while (clock.Now() - news < patience_) {
    auto picture = LookAtLedger(machines_);
    const std::size_t answered = picture ? Answered(*picture) : 0;
    if (answered == book_.facts().size() + 1 && picture->exits >= exits) return *picture;
    if (answered > most) {
      most = answered;
      news = clock.Now();
    }
    constexpr int kAgainMs = 100;  // each look is a process
    ::poll(nullptr, 0, kAgainMs);
  }
  return std::nullopt;
}

// Nothing came any more, and not all is there: what is it that is missing?
Inspector::Finding Inspector::MissingAnswer() {
  const auto picture = LookAtLedger(machines_);
  if (!picture) return Harness(picture.error());
  if (picture->open_incarnations.size() != 1)
    return Of("one_memory",
              fmt::format("{} incarnations are open", picture->open_incarnations.size()));
  if (picture->boot != machines_.guest().boot_id())
    return Of("session", fmt::format("the ledger is in boot '{}', the guest in '{}'", picture->boot,
                                     machines_.guest().boot_id()));
  for (const Fact& fact : book_.facts()) {
    const auto rows = picture->About(fact.range);
    const std::string where = FormatAddress(fact.range.start().value);
    if (rows.empty()) {
      ++tally_.losses_silent;
      return Of("one_row", "no row about " + where);
    }
    for (const LedgerRow* row : rows)
      if (!IsSettled(*row) && row->life != "deferred")
        return Of("verdict", "none of this boot about " + Describe(*row));
  }
  if (auto found = CheckLosses(*picture)) return found;
  return Of("machines", "what was missing came too late");
}

Inspector::Finding Inspector::CheckRows(const LedgerPicture& picture) {
  if (picture.rows_twice != 0)
    return Of("one_row", fmt::format("{} places stand twice in one memory", picture.rows_twice));
  for (const Fact& fact : book_.facts()) {
    const auto rows = picture.About(fact.range);
    if (!Holds(rows))
      return Of("one_row", fmt::format("{} rows about {}", rows.size(),
                                       FormatAddress(fact.range.start().value)));
  }
  return std::nullopt;
}

// All facts are of the guest's RAM, which can be retired or is the kernel's.
Inspector::Finding Inspector::CheckVerdicts(const LedgerPicture& picture) const {
  for (const Fact& fact : book_.facts()) {
    if (fact.lied_about || fact.predicted) continue;
    for (const LedgerRow* row : picture.About(fact.range)) {
      const bool possible = row->outcome == "retired" || row->outcome == "already_retired" ||
                            row->outcome == "in_kernel" || row->outcome == "deferred";
      if (!possible) return Of("true_verdict", Describe(*row));
    }
  }
  return std::nullopt;
}

// A page that was free when its boot began was free before init, and was retired then.
Inspector::Finding Inspector::CheckReplay(const LedgerPicture& picture) const {
  for (const Fact& fact : book_.facts()) {
    if (!fact.before_boot || fact.lied_about) continue;
    for (const LedgerRow* row : picture.About(fact.range))
      if (row->stage != "early" && row->kind == "free")
        return Of("replay_before_init", Describe(*row));
  }
  return std::nullopt;
}

// What was published is in the ledger, or counted as lost where people see it.
Inspector::Finding Inspector::CheckLosses(const LedgerPicture& picture) {
  if (machines_.world() != World::kRing) return std::nullopt;
  const Machines::Exits& exits = machines_.exits();
  if (picture.exits < exits.taken) {
    tally_.losses_silent += exits.taken - picture.exits;
    return Of("losses_counted", fmt::format("{} exits were published, {} are in the ledger",
                                            exits.taken, picture.exits));
  }
  if (exits.lost == 0) return std::nullopt;
  const auto status = machines_.host().Seawardctl({"status"});
  if (!status) return Harness(status.error());
  const auto told = (*status)["vms"][0]["events"]["lost"].get<std::uint64_t>();
  if (told >= exits.lost) return std::nullopt;
  tally_.losses_silent += exits.lost - told;
  return Of("losses_counted",
            fmt::format("{} exits found no room, the notifier tells of {}", exits.lost, told));
}

Inspector::Finding Inspector::CheckFrames(const LedgerPicture& picture) {
  std::vector<GuestPhysAddr> pages;
  std::vector<const LedgerRow*> rows_of;
  for (const Fact& fact : book_.facts()) {
    if (fact.lied_about) continue;
    for (const LedgerRow* row : picture.About(fact.range)) {
      if (!TakenOutOfUse(*row)) continue;
      for (std::uint64_t at = row->range.start().value; at <= row->range.last();
           at += kPoisonGranule) {
        pages.push_back({at});
        rows_of.push_back(row);
      }
    }
  }
  const auto flags = LookAtFrames(machines_, pages);
  if (!flags) return Harness(flags.error());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    std::string wrong = WhatIsWrongWith((*flags)[i]);
    if (!wrong.empty() && rows_of[i]->kind == "huge") {
      // While a process has the huge page, the kernel flags its head.
      const auto head = LookAtFrames(machines_, {{pages[i].value & ~(kHugePage - 1)}});
      if (head && !head->empty()) wrong = WhatIsWrongWith(head->front());
    }
    if (!wrong.empty())
      return Of("out_of_use", FormatAddress(pages[i].value) + " is " + wrong + ", although " +
                                  Describe(*rows_of[i]));
  }
  return std::nullopt;
}

Inspector::Finding Inspector::CheckOldMemory() {
  const auto& pages = book_.once_bad();
  const auto flags = LookAtFrames(machines_, pages);
  if (!flags) return Harness(flags.error());
  for (std::size_t i = 0; i < pages.size(); ++i)
    if ((*flags)[i].contains("HWPOISON"))
      return Of("good_memory_stays", FormatAddress(pages[i].value) +
                                         " was bad in an earlier memory only, and is retired");
  return std::nullopt;
}

// Nothing that asks for memory is given a page behind its verdict.
Inspector::Finding Inspector::CheckHandout(const LedgerPicture& picture) {
  testing::GuestShell::Json wanted = testing::GuestShell::Json::array();
  for (const LedgerRow& row : picture.rows) {
    if (!TakenOutOfUse(row) || wanted.size() >= kMostWanted) continue;
    const bool lied = std::ranges::any_of(book_.facts(), [&](const Fact& fact) {
      return fact.lied_about && fact.range.Overlaps(row.range);
    });
    if (!lied) wanted.push_back(FormatAddress(row.range.start().value));
  }
  constexpr std::chrono::seconds kAllMemory{180};
  const auto taken = machines_.shell().Ask("hog", {{"wanted", wanted}}, kAllMemory);
  if (!taken) return Harness(taken.error());
  constexpr std::uint64_t kMostOfIt = 15'000;  // pages: 60 of some 100 MiB that are free
  if ((*taken)["pages"].get<std::uint64_t>() < kMostOfIt)
    return Of("machines", "the guest's memory was not searched: " + taken->dump());
  if ((*taken)["found"].empty()) return std::nullopt;
  return Of("out_of_use", "handed out again: " + (*taken)["found"].dump());
}

Inspector::Finding Inspector::CheckProcesses() {
  const auto notifier = UsageOfNotifier(machines_);
  if (!notifier) return Harness(notifier.error());
  const auto agent = UsageOfAgent(machines_);
  if (!agent) return Harness(agent.error());
  if (!notifier_at_first_) notifier_at_first_ = *notifier;
  if (!agent_at_first_) agent_at_first_ = *agent;
  const auto grown = [](const char* who, const Usage& first, const Usage& now) -> Finding {
    if (now.rss_kb > first.rss_kb + kMoreRssKb)
      return Of("no_growth",
                fmt::format("{}: {} KiB at first, {} KiB now", who, first.rss_kb, now.rss_kb));
    if (now.descriptors > first.descriptors + kMoreDescriptors)
      return Of("no_leak", fmt::format("{}: {} descriptors at first, {} now", who,
                                       first.descriptors, now.descriptors));
    return std::nullopt;
  };
  if (auto found = grown("notifier", *notifier_at_first_, *notifier)) return found;
  return grown("agent", *agent_at_first_, *agent);
}

// Everything is answered: whoever still works has nothing to work on. Something may just have come
// to an end, so that a busy window is followed by another.
Inspector::Finding Inspector::CheckRest() {
  std::uint64_t notifier_ms = 0;
  std::uint64_t agent_ms = 0;
  for (int window = 0; window < kWindows; ++window) {
    const auto notifier = UsageOfNotifier(machines_);
    const auto agent = UsageOfAgent(machines_);
    ::poll(nullptr, 0, static_cast<int>(kWindow.count()));
    const auto notifier_then = UsageOfNotifier(machines_);
    const auto agent_then = UsageOfAgent(machines_);
    if (!notifier || !agent || !notifier_then || !agent_then)
      return Of("machines", "no look at our processes");
    notifier_ms = notifier_then->cpu_ms - notifier->cpu_ms;
    agent_ms = agent_then->cpu_ms - agent->cpu_ms;
    if (notifier_ms <= kIdleCpuMs && agent_ms <= kIdleCpuMs) return std::nullopt;
  }
  return Of("no_spin", fmt::format("in a second in which nothing happens the notifier takes {} ms, "
                                   "the agent {} ms of a processor",
                                   notifier_ms, agent_ms));
}

}  // namespace seaward::chaos
