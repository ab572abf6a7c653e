// A domain of libvirt's in the hands of a run.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "host-notifier/chaos/victim.h"
#include "host-notifier/libvirt/domain_handle.h"

namespace seaward::chaos {

struct HostPlaces {
  std::string status_dir;         // of libvirt: which process is the domain's
  std::string channel_name;       // as in notifier.yaml
  std::string hard_offline_path;  // of the host's kernel
};

class LibvirtVictim final : public Victim {
 public:
  // Both outlive it.
  LibvirtVictim(DomainHandle& domain, Waiting& waiting, HostPlaces places)
      : domain_(domain), waiting_(waiting), places_(std::move(places)) {}

  Status Pause() override { return domain_.Pause(); }
  Status Resume() override { return domain_.Resume(); }
  Status Reset() override { return domain_.Reset(); }
  Status Reboot() override { return domain_.Reboot(); }
  Status InjectInGuest(GuestPhysAddr page) override;
  Status KillAgent() override;
  Status RetireHostFrame(GuestPhysAddr page) override;

 private:
  Result<int> Run(const std::string& script);

  DomainHandle& domain_;
  Waiting& waiting_;
  const HostPlaces places_;
};

// The script that has the guest's kernel give up a page: 3 where it cannot.
std::string InjectScript(GuestPhysAddr page);
// What QEMU's monitor says to gpa2hva. kInvalid: no address; the guest has no memory there.
Result<HostVirtAddr> ParseHostAddress(std::string_view answer);

}  // namespace seaward::chaos
