// One connection to libvirtd, kept up: domains found, events followed, reopened when it breaks.
// Confined to the EventThread; what it learns goes to the loop.
#pragma once

#include <libvirt/libvirt.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host-notifier/libvirt/domain_mark.h"
#include "host-notifier/libvirt/domain_orders.h"
#include "host-notifier/libvirt/domain_watch.h"
#include "host-notifier/libvirt/event_thread.h"
#include "host-notifier/loop/loop_poster.h"

namespace seaward {

class StreamPump;

class LibvirtLink {
 public:
  LibvirtLink(EventThread& thread, LibvirtOptions options, LoopPoster<DomainListener> listener);
  ~LibvirtLink();
  LibvirtLink(const LibvirtLink&) = delete;
  LibvirtLink& operator=(const LibvirtLink&) = delete;

  void Start();
  // Starts carrying bytes of `domain`'s channel; the pump reports how it ends, also at once.
  void OpenStream(const Uuid& domain, const std::shared_ptr<StreamPump>& pump);
  // By name or UUID, running or not. kNotFound: libvirt does not know it.
  Result<DomainXml> FetchXml(const std::string& name_or_uuid);
  // Into the metadata of the running domain; gone with it.
  Status WriteMark(const Uuid& domain, const DomainMark& mark);
  Result<DomainState> Look(const Uuid& domain);
  Status Give(const Uuid& domain, DomainOrder order);
  // A stopped one; with `xml`, one that is made anew of it. An image of its memory is thrown away.
  Status StartDomain(const Uuid& domain, const std::string& xml);

 private:
  void Connect();
  Status Subscribe();
  void Disconnect(const std::string& why);
  void ListDomains();
  void Describe(virDomainPtr domain);
  void DescribeLater(virDomainPtr domain);
  void OnLifecycle(virDomainPtr domain, int event, int detail);
  void Ended(const Uuid& domain, DomainEnd end);
  void RetryLater();

  EventThread& thread_;
  const LibvirtOptions options_;
  const LoopPoster<DomainListener> listener_;
  // Tasks posted to the thread check it: the link may be gone when they run.
  std::shared_ptr<LibvirtLink*> self_;
  virConnectPtr connection_ = nullptr;
  std::vector<int> subscriptions_;
  std::map<Uuid, DomainDescription> running_;
  std::vector<std::weak_ptr<StreamPump>> streams_;
  int retry_timer_ = -1;
  std::chrono::milliseconds retry_wait_;
};

}  // namespace seaward
