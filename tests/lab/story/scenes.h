// The scenes that demo and tests are made of. Each does one thing to a guest and says what came of
// it; none judges.
#pragma once

#include <optional>
#include <string>

#include "tests/lab/story/lab.h"

namespace seaward::lab {

struct VictimWish {
  // The page to own, which then is searched (kNotFound when the guest's kernel has it in use, as
  // about one in twenty); without it any that is good for the next boot's start.
  std::optional<GuestPhysAddr> at = {};
  bool report_fault = false;  // it says what the signal's frame holds before it dies
};
Result<Victim> StartVictim(Lab& lab, NestedGuest& guest, const VictimWish& wish);

// How a process felt an abort. Numbers as the kernel wrote them into the signal's frame, when they
// were asked for.
struct Feeling {
  int signal = 0;
  std::optional<std::uint64_t> esr, far;
};
// Lets it access its page until it is dead. `access`: read, write, execute. kTimeout when it lives;
// other errors when the guest is silent for `patience`.
Result<Feeling> TouchUntilDead(NestedGuest& guest, const Victim& victim,
                               const std::string& access = "read",
                               std::chrono::milliseconds patience = std::chrono::minutes(1));

// A user process consumes poison.
struct Consumption {
  int victim_signal = 0;      // 0: it ended otherwise, or not at all
  bool kernel_alive = false;  // the same boot answers afterwards
  std::uint64_t aborts = 0;   // on the frame, during the scene, as the host's kernel counts
  std::string core_pattern;
};
// The victim's page becomes bad, and it touches the page.
Result<Consumption> ConsumePoison(Lab& lab, NestedGuest& guest, const Victim& victim);

// Waits until the guest's kernel has the frame, or any page, out of use.
Status WaitRetired(Lab& lab, NestedGuest& guest);
Status WaitRetired(Lab& lab, NestedGuest& guest, GuestPhysAddr page);

// Allocates nearly all memory of the guest.
struct Handout {
  std::uint64_t pages = 0;
  bool bad_frame_given = false;
};
Result<Handout> TakeAllMemory(Lab& lab, NestedGuest& guest, GuestPhysAddr bad,
                              std::chrono::milliseconds limit = kGuestWork);

// The next boot of a guest in which a page is still bad.
struct NextBoot {
  bool up = false;
  bool early_stage_ran = false;  // and left the frame out of use
  Handout workload;              // what the new boot could allocate
  std::uint64_t aborts = 0;      // on the frame, since the boot was ordered
};
enum class BootOrder { kReset, kRebootFromInside };
Result<NextBoot> BootAgain(Lab& lab, NestedGuest& guest, GuestPhysAddr bad, BootOrder order);

// The unguarded guest goes on with the bad frame.
struct Downfall {
  std::string outcome;  // boot_loop | panic | reused | hung | none
  std::uint64_t panics = 0;
  std::uint64_t in_clear_page = 0;
};
// Lets each of its boots use all its memory, and watches until it has panicked `enough` times.
Result<Downfall> WatchDownfall(Lab& lab, NestedGuest& guest, std::uint64_t enough);

}  // namespace seaward::lab
