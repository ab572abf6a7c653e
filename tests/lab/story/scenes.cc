#include "tests/lab/story/scenes.h"

#include <fmt/format.h>

#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

using testing::WaitUntil;

constexpr std::chrono::seconds kQuestion{60};
// One more try at a process's memory: the abort needs a fresh look at the page tables, which the
// emulation keeps for a while.
constexpr std::chrono::seconds kUntilAbort{120};
// From the exit to the verdict; milliseconds on hardware, seconds here.
constexpr std::chrono::seconds kUntilRetired{120};
// Boots, and boots again: each needs some seconds of emulation in emulation.
constexpr std::chrono::seconds kUntilDownfall{1200};
// A guest that was asked to use all its memory and has panicked over it never answers: its console
// tells. It takes seconds, of which this is a multiple.
constexpr std::chrono::seconds kUntilSilent{20};

// Below it the next boot's kernel uses memory before it has tables, vectors or a console of its
// own, or has its initramfs: where QEMU puts both, and what the kernel clears behind its image.
constexpr GuestPhysAddr kAboveTheBootsOwn{NestedGuest::kMemoryBase + (112U << 20)};

Result<bool> IsRetired(NestedGuest& guest, GuestPhysAddr page) {
  auto flags = guest.AskAgain("kpageflags", {{"at", FormatAddress(page.value)}}, kQuestion);
  if (!flags) return Forward(flags);
  for (const auto& name : flags->at("names"))
    if (name == "HWPOISON") return true;
  return false;
}

}  // namespace

Result<Victim> StartVictim(Lab& lab, NestedGuest& guest, const VictimWish& wish) {
  Json arguments = {{"report_fault", wish.report_fault}};
  if (wish.at) {
    arguments["at"] = FormatAddress(wish.at->value);
  } else {
    arguments["from"] = FormatAddress(kAboveTheBootsOwn.value);
  }
  auto started = guest.AskForMemory("victim_start", arguments, kGuestWork);
  if (!started) return Forward(started);
  auto page = ParseAddress(started->at("pages").at(0).get<std::string>());
  if (!page) return Forward(page);
  lab.narrator().Say("a process in the guest owns " + FormatAddress(*page));
  auto backing = guest.BackingOf({*page});
  if (!backing) return Forward(backing);
  if (!*backing) return Fail(ErrorCode::kNotFound, "the frame has no page behind it");
  return Victim{started->at("pid").get<pid_t>(), {*page}, **backing};
}

Result<Feeling> TouchUntilDead(NestedGuest& guest, const Victim& victim, const std::string& access,
                               std::chrono::milliseconds patience) {
  Feeling felt;
  Status asked;
  const auto dead = [&] {
    auto touch = guest.Ask("victim_touch", {{"pid", victim.pid}, {"access", access}}, patience);
    if (!touch) {
      asked = Forward(touch);
      return true;
    }
    if (touch->contains("fault")) {
      const Json& fault = touch->at("fault");
      if (auto esr = ParseAddress(fault.value("esr", ""))) felt.esr = *esr;
      if (auto far = ParseAddress(fault.value("address", ""))) felt.far = *far;
    }
    felt.signal = touch->value("signal", 0);
    return touch->value("touch", "") == "died";
  };
  if (!WaitUntil(dead, kUntilAbort))
    return Fail(ErrorCode::kTimeout, "the process never felt the poison");
  if (!asked) return Forward(asked);
  return felt;
}

Result<Consumption> ConsumePoison(Lab& lab, NestedGuest& guest, const Victim& victim) {
  const std::uint64_t before = lab.AbortsOn(victim.page);
  auto pattern = guest.AskAgain("read", {{"path", "/proc/sys/kernel/core_pattern"}}, kQuestion);
  if (!pattern) return Forward(pattern);
  if (auto bad = lab.poison().Poison(victim.page, victim.backing); !bad) return Forward(bad);
  lab.narrator().Say("that page is bad now: every access aborts. The process reads it ...");

  auto felt = TouchUntilDead(guest, victim);
  if (!felt) return Forward(felt);
  Consumption seen;
  seen.victim_signal = felt->signal;
  seen.core_pattern = pattern->value("text", "");
  const std::string boot = guest.boot_id();
  auto status = guest.AskAgain("status", Json::object(), kQuestion);
  seen.kernel_alive = status && status->value("boot_id", "") == boot;
  WaitUntil([&] { return lab.AbortsOn(victim.page) > before; }, kQuestion);
  seen.aborts = lab.AbortsOn(victim.page) - before;
  lab.narrator().Say(fmt::format("... and ends with signal {}{}; the guest's kernel {}",
                                 seen.victim_signal, seen.victim_signal == 7 ? " (SIGBUS)" : "",
                                 seen.kernel_alive ? "lives" : "DIED"));
  return seen;
}

Status WaitRetired(Lab& lab, NestedGuest& guest) {
  return WaitRetired(lab, guest, lab.frame());
}

Status WaitRetired(Lab& lab, NestedGuest& guest, GuestPhysAddr page) {
  const auto retired = [&] {
    auto now = IsRetired(guest, page);
    return now && *now;
  };
  if (!WaitUntil(retired, kUntilRetired))
    return Fail(ErrorCode::kTimeout, "the guest does not retire " + FormatAddress(page.value));
  lab.narrator().Say("the agent has retired it");
  return {};
}

Result<Handout> TakeAllMemory(Lab& lab, NestedGuest& guest, GuestPhysAddr bad,
                              std::chrono::milliseconds limit) {
  const Json wanted = Json::array({FormatAddress(bad.value)});
  auto hog = guest.AskForMemory("hog", {{"wanted", wanted}}, limit);
  if (!hog) return Forward(hog);
  Handout handout{hog->at("pages").get<std::uint64_t>(), !hog->at("found").empty()};
  lab.narrator().Say(fmt::format("all memory allocated: {} pages, the bad one {}", handout.pages,
                                 handout.bad_frame_given ? "AMONG THEM" : "not among them"));
  return handout;
}

Result<NextBoot> BootAgain(Lab& lab, NestedGuest& guest, GuestPhysAddr bad, BootOrder order) {
  NextBoot boot;
  const std::uint64_t before = lab.AbortsOn(bad);
  lab.transcript().Add("boot_again", {{"aborts_before", before}});
  auto ordered = order == BootOrder::kReset ? guest.Reset() : guest.RebootFromInside();
  if (!ordered) return Forward(ordered);
  lab.narrator().Say(order == BootOrder::kReset ? "reset from outside, the page still bad ..."
                                                : "reboot from inside, the page still bad ...");
  auto up = guest.WaitUp(kGuestUp);
  boot.up = up.has_value();
  if (boot.up) {
    auto retired = IsRetired(guest, bad);
    const Json early = guest.status().value("early", Json());
    boot.early_stage_ran = early.is_object() && early.value("exit", -1) == 0 && retired && *retired;
    auto handout = TakeAllMemory(lab, guest, bad);
    if (!handout) return Forward(handout);
    boot.workload = *handout;
  }
  boot.aborts = lab.AbortsOn(bad) - before;
  lab.narrator().Say(fmt::format("... {}; retired before init: {}; {} aborts from that page since",
                                 boot.up ? "up" : "NOT UP", boot.early_stage_ran ? "yes" : "NO",
                                 boot.aborts));
  return boot;
}

Result<Downfall> WatchDownfall(Lab& lab, NestedGuest& guest, std::uint64_t enough) {
  Downfall seen;
  const std::size_t from = lab.ConsoleSize();
  const auto fell_again = [&] {
    const ConsoleSigns signs = lab.Console(from);
    if (signs.panics == seen.panics) return false;
    seen.panics = signs.panics;
    seen.in_clear_page = signs.in_clear_page;
    return true;
  };
  while (seen.panics < enough) {
    auto handout = TakeAllMemory(lab, guest, lab.frame(), kUntilSilent);
    if (handout) {
      seen.outcome = handout->bad_frame_given ? "reused" : "none";
      break;
    }
    if (!WaitUntil(fell_again, kUntilDownfall)) {
      seen.outcome = "hung";
      break;
    }
    lab.narrator().Say(fmt::format("panic number {} of the guest's kernel, {} in clear_page",
                                   seen.panics, seen.in_clear_page));
    if (seen.panics < enough && !guest.WaitUp(kGuestUp)) break;
  }
  if (seen.panics >= 2) {
    seen.outcome = "boot_loop";
  } else if (seen.panics == 1) {
    seen.outcome = "panic";
  }
  lab.transcript().Add("downfall", {{"outcome", seen.outcome}, {"panics", seen.panics}});
  return seen;
}

}  // namespace seaward::lab
