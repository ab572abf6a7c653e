// One emulated host for all cases of a test program; each case starts guests of its own in it.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <memory>

#include "tests/lab/story/exit_row.h"
#include "tests/lab/story/host_scenes.h"

namespace seaward::lab {

class LabFixture : public ::testing::Test {
 protected:
  // What a run leaves is in build/lab/SUITE.
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  void SetUp() override;
  // Guests of the case are destroyed, its pages are good again.
  void TearDown() override;

  // Null, and a failure, when it does not come up.
  NestedGuest* StartGuest(const GuestPlan& plan);
  // A process in it consumes poison in a page of its own, and dies of SIGBUS. Nullopt, and a
  // failure, otherwise.
  std::optional<Victim> ConsumeOnce(NestedGuest& guest);

  // The host page behind `page` goes bad, until the end of the case.
  Status MakeBad(NestedGuest& guest, GuestPhysAddr page, const PoisonKind& kind = {});
  // A row of build/lab/exits.json.
  void Keep(const ExitRow& row);

  // Of `guest`, in `seawardctl status`; nullptr as JSON when there is none, or not just one.
  Json PageOf(const NestedGuest& guest);

  // Waits for a word about that one page, and returns the page.
  Json ExpectPage(const NestedGuest& guest, const char* key, const Json& value);
  // The host page behind it, as the notifier recorded it at the event.
  static HostPhysAddr RecordedFrame(const Json& page);
  bool IsGivenToAnybodyInTheHost(HostPhysAddr frame);
  void WithNotifier(const NotifierPlan& plan);

  static std::unique_ptr<Lab> lab_;
  std::list<std::unique_ptr<NestedGuest>> guests_;
  std::list<GuestPhysAddr> poisoned_;
};

// Prints why nothing can be tested and returns true when no kernel is obtainable: the one
// permitted skip.
bool MustSkip();

}  // namespace seaward::lab
