// The notifier as a process, and a VMM as the interposer is one: on the ring itself.
#pragma once

#include <memory>

#include "host-notifier/app/notifier_process_fixture.h"
#include "host-notifier/vmm/attached_vm.h"

namespace seaward {

class InterposerProcessTest : public NotifierProcessTest {
 protected:
  // `orders`: who carries out heal orders; outlives the fixture's attachment.
  void InterposerAttaches(vmm::HealOrderTaker* orders = nullptr) {
    vmm::AttachOptions options;
    options.orders = orders;
    options.socket_path = dir_ / "attach.sock";
    options.claimed_vm = *ParseUuid(kVm);
    auto attached = vmm::AttachedVm::Start(options, [](LogLevel, std::string_view) {});
    ASSERT_TRUE(attached) << attached.error().Text();
    vm_ = std::move(*attached);
    Until("the notifier accepts it", [this] { return vm_->keeper().state().attached; });
  }
  void InterposerLeaves() { vm_.reset(); }
  vmm::Keeper& vmm_keeper() { return vm_->keeper(); }
  vmm::RingProducer& ring() { return vm_->ring(); }
  void Publishes(vmm::SeaExit exit) {
    exit.when = SystemClock().Now();
    ring().Publish(0, exit);
  }
  void EverythingIsRecorded() {
    Until("the ledger has every exit", [this] {
      const auto counters = ring().counters();
      return counters.published != 0 && counters.waiting == 0;
    });
  }

 private:
  std::unique_ptr<vmm::AttachedVm> vm_;
};

}  // namespace seaward
