// One emulated host for all cases of a test program, also of several suites; each case starts
// guests of its own in it. After a case that failed the next one gets a fresh host.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <set>

#include "tests/lab/story/exit_watch.h"
#include "tests/lab/story/host_scenes.h"

namespace seaward::lab {

// From an exit to what everybody knows of it in the end; milliseconds on hardware.
inline constexpr std::chrono::seconds kSettles{120};

class LabFixture : public ::testing::Test {
 protected:
  // Of all suites of a program.
  virtual LibvirtMode libvirt() const { return LibvirtMode::kSession; }

  // What a run leaves is in build/lab/PROGRAM, of later hosts in build/lab/PROGRAM-2 and so on.
  void SetUp() override;
  // Guests of the case are destroyed, its pages are good again, the notifier has its usual
  // configuration. Of a case that failed, what its guests said is printed.
  void TearDown() override;

  // Null, and a failure, when it does not come up.
  NestedGuest* StartGuest(const GuestPlan& plan);
  // A process in it consumes poison in a page of its own, and dies of SIGBUS. Nullopt, and a
  // failure, otherwise.
  std::optional<Victim> ConsumeOnce(NestedGuest& guest);

  // What a consumption is to be like, beside its place in exits.json.
  struct Access {
    std::string access = "read";  // write, execute
    PoisonKind poison = {};
    bool has_agent = true;  // whose verdict is waited for
  };
  // A new process of `guest` accesses its page, which is bad, and dies of SIGBUS; what came of it,
  // kept as the row `kind`. The process and its page: victim_.
  ExitRow Consume(NestedGuest& guest, const std::string& kind, const Access& how);

  // The host page behind `page` goes bad, until the end of the case.
  Status MakeBad(NestedGuest& guest, GuestPhysAddr page);
  Status MakeBad(GuestPhysAddr page, HostPhysAddr backing, const PoisonKind& kind = {});
  // A row of build/lab/exits.json.
  void Keep(const ExitRow& row);

  // Of `guest`, in `seawardctl status`; nullptr as JSON when there is none, or not just one.
  Json PageOf(const NestedGuest& guest);

  // Waits for a word about that one page, and returns the page.
  Json ExpectPage(const NestedGuest& guest, const char* key, const Json& value);
  // Everything in the guest is used once; nobody meets a bad page at `page`.
  void ExpectAllMemorySound(NestedGuest& guest, GuestPhysAddr page);
  void ExpectOtherBacking(NestedGuest& guest, GuestPhysAddr page, HostPhysAddr bad);
  // The host page behind it, as the notifier recorded it at the event.
  static HostPhysAddr RecordedFrame(const Json& page);
  bool IsGivenToAnybodyInTheHost(HostPhysAddr frame);
  // Until the end of the case.
  void WithNotifier(const NotifierPlan& plan);

  static std::unique_ptr<Lab> lab_;
  static int labs_;
  std::list<std::unique_ptr<NestedGuest>> guests_;
  std::set<GuestPhysAddr> poisoned_;  // healing one heals it in all guests
  Victim victim_;

 private:
  friend class EndOfLab;
  void StartLab();
  bool notifier_is_special_ = false;
  std::size_t console_begin_ = 0;
};

}  // namespace seaward::lab
