// A guest guarded by our notifier with a publisher as its VMM, through as many boots as a case
// wants.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/support/notifier_host.h"
#include "tests/support/tcg_guest.h"

namespace seaward::testing {

class HostedGuest : public ::testing::Test {
 protected:
  void TearDown() override;  // after a failure: the console

  // The host, then the guest; `plan` is for the machine that `images` are for.
  void Boots(const GuestImages& images, GuestPlan plan);
  void Reboots();
  void PowerCycles(const TcgGuest::NextLife& next);
  // After every boot, before the case goes on.
  virtual void Settle() {}

  // A free page that the host called bad and the guest retired.
  GuestPhysAddr RetiredPage();
  bool InSystemRam(GuestPhysAddr page);
  bool HasFlag(GuestPhysAddr page, const std::string& flag);
  // What this boot's agents said of the page to the host.
  LedgerPage Verdict(GuestPhysAddr page);

  TcgGuest& guest() { return *guest_; }
  NotifierHost& host() { return *host_; }

 private:
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  std::optional<NotifierHost> host_;
  std::unique_ptr<TcgGuest> guest_;
};

}  // namespace seaward::testing
