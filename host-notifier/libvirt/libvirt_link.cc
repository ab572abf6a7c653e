#include "host-notifier/libvirt/libvirt_link.h"

#include <libvirt/virterror.h>

#include <algorithm>

#include "host-notifier/libvirt/domain_policy.h"
#include "host-notifier/libvirt/memory_failure.h"
#include "host-notifier/libvirt/owned_domain.h"
#include "host-notifier/libvirt/stream_pump.h"

namespace seaward {
namespace {

// A libvirtd that hangs is noticed after interval * (count + 1) seconds; as virsh does.
constexpr int kKeepaliveSeconds = 5;
constexpr unsigned kKeepaliveCount = 5;

std::string LastError(const std::string& what) {
  return what + ": " + virGetLastErrorMessage();
}

Uuid UuidOf(virDomainPtr domain) {
  Uuid uuid;
  static_assert(sizeof(uuid.bytes) == VIR_UUID_BUFLEN);
  if (virDomainGetUUID(domain, reinterpret_cast<unsigned char*>(uuid.bytes.data())) < 0) return {};
  return uuid;
}

DomainEnd EndOf(int detail) {
  switch (static_cast<virDomainEventStoppedDetailType>(detail)) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
      return DomainEnd::kShutdown;
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
    case VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT:
      return DomainEnd::kDestroyed;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
      return DomainEnd::kCrashed;
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
      return DomainEnd::kMigrated;
    case VIR_DOMAIN_EVENT_STOPPED_SAVED:
      return DomainEnd::kSaved;
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
      return DomainEnd::kFailed;
  }
  return DomainEnd::kUnknown;  // of a newer libvirt
}

// nullopt: it says nothing of it.
std::optional<std::string> PolicyOf(virDomainPtr domain) {
  char* element = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, kPolicyNamespace,
                                       VIR_DOMAIN_AFFECT_CURRENT);
  if (element == nullptr) {
    virResetLastError();
    return std::nullopt;
  }
  auto text = PolicyTextOf(element);
  std::free(element);
  return text;
}

}  // namespace

std::string_view ToString(DomainEnd end) {
  switch (end) {
    case DomainEnd::kShutdown:
      return "shutdown";
    case DomainEnd::kDestroyed:
      return "destroyed";
    case DomainEnd::kCrashed:
      return "crashed";
    case DomainEnd::kMigrated:
      return "migrated";
    case DomainEnd::kSaved:
      return "saved";
    case DomainEnd::kFailed:
      return "failed";
    case DomainEnd::kUnknown:
      return "unknown";
  }
  return "unknown";
}

LibvirtLink::LibvirtLink(EventThread& thread, LibvirtOptions options,
                         LoopPoster<DomainListener> listener)
    : thread_(thread),
      options_(std::move(options)),
      listener_(std::move(listener)),
      self_(std::make_shared<LibvirtLink*>(this)),
      retry_wait_(options_.retry_first) {}

LibvirtLink::~LibvirtLink() {
  *self_ = nullptr;
  if (retry_timer_ >= 0) virEventRemoveTimeout(retry_timer_);
  Disconnect("stopped");
}

void LibvirtLink::Start() {
  const auto on_timer = [](int timer, void* opaque) {
    virEventUpdateTimeout(timer, -1);
    static_cast<LibvirtLink*>(opaque)->Connect();
  };
  retry_timer_ = virEventAddTimeout(0, on_timer, this, nullptr);
}

void LibvirtLink::RetryLater() {
  virEventUpdateTimeout(retry_timer_, static_cast<int>(retry_wait_.count()));
  retry_wait_ = std::min(retry_wait_ * 2, options_.retry_longest);
}

void LibvirtLink::Connect() {
  connection_ = virConnectOpen(options_.uri.c_str());
  if (connection_ == nullptr) {
    listener_.Call(
        [why = LastError("connect")](DomainListener& l) { l.LibvirtReachable(false, why); });
    return RetryLater();
  }
  if (auto subscribed = Subscribe(); !subscribed) {
    Disconnect(subscribed.error().context);
    return RetryLater();
  }
  retry_wait_ = options_.retry_first;
  listener_.Call([](DomainListener& l) { l.LibvirtReachable(true, {}); });
  ListDomains();
}

Status LibvirtLink::Subscribe() {
  const auto on_close = [](virConnectPtr, int reason, void* opaque) {
    auto* link = static_cast<LibvirtLink*>(opaque);
    // Not from inside libvirt's own callback: closing frees what it still uses.
    link->thread_.Post([self = link->self_, reason] {
      if (*self == nullptr) return;
      (*self)->Disconnect(reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "libvirtd does not answer"
                                                                       : "libvirtd went away");
      (*self)->RetryLater();
    });
  };
  if (virConnectRegisterCloseCallback(connection_, on_close, this, nullptr) < 0)
    virResetLastError();  // the test driver has none
  if (virConnectSetKeepAlive(connection_, kKeepaliveSeconds, kKeepaliveCount) < 0)
    virResetLastError();  // local drivers have no peer to keep alive
  const virConnectDomainEventCallback on_lifecycle = [](virConnectPtr, virDomainPtr domain,
                                                        int event, int detail, void* opaque) {
    static_cast<LibvirtLink*>(opaque)->OnLifecycle(domain, event, detail);
    return 0;
  };
  const virConnectDomainEventGenericCallback on_reboot = [](virConnectPtr, virDomainPtr domain,
                                                            void* opaque) {
    static_cast<LibvirtLink*>(opaque)->listener_.Call(
        [uuid = UuidOf(domain)](DomainListener& l) { l.DomainRebooted(uuid); });
  };
  const virConnectDomainEventDeviceAddedCallback on_device = [](virConnectPtr, virDomainPtr domain,
                                                                const char*, void* opaque) {
    static_cast<LibvirtLink*>(opaque)->DescribeLater(domain);
  };
  const virConnectDomainEventMetadataChangeCallback on_metadata =
      [](virConnectPtr, virDomainPtr domain, int, const char* uri, void* opaque) {
        if (uri != nullptr && std::string_view(uri) == kPolicyNamespace)
          static_cast<LibvirtLink*>(opaque)->DescribeLater(domain);
      };
  const virConnectDomainEventMemoryFailureCallback on_memory_failure =
      [](virConnectPtr, virDomainPtr domain, int recipient, int action, unsigned flags,
         void* opaque) {
        static_cast<LibvirtLink*>(opaque)->listener_.Call(
            [uuid = UuidOf(domain), failure = MemoryFailureOf(recipient, action, flags)](
                DomainListener& l) { l.DomainMetMemoryFailure(uuid, failure); });
      };
  // A libvirtd before 6.9 knows no such event.
  const int failures =
      virConnectDomainEventRegisterAny(connection_, nullptr, VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE,
                                       VIR_DOMAIN_EVENT_CALLBACK(on_memory_failure), this, nullptr);
  if (failures < 0) virResetLastError();
  if (failures >= 0) subscriptions_.push_back(failures);
  const std::pair<int, virConnectDomainEventGenericCallback> wanted[] = {
      {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
      {VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot},
      {VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device)},
      {VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata)},
  };
  for (const auto& [id, callback] : wanted) {
    const int subscription =
        virConnectDomainEventRegisterAny(connection_, nullptr, id, callback, this, nullptr);
    if (subscription < 0) return Fail(ErrorCode::kIo, LastError("domain events"));
    subscriptions_.push_back(subscription);
  }
  return {};
}

void LibvirtLink::Disconnect(const std::string& why) {
  if (connection_ == nullptr) return;
  for (const auto& weak : std::exchange(streams_, {}))
    if (const auto pump = weak.lock()) pump->Finish(Error{ErrorCode::kClosed, 0, why});
  for (const int subscription : std::exchange(subscriptions_, {}))
    virConnectDomainEventDeregisterAny(connection_, subscription);
  virConnectUnregisterCloseCallback(connection_, nullptr);
  virConnectClose(connection_);
  connection_ = nullptr;
  virResetLastError();
  listener_.Call([why](DomainListener& l) { l.LibvirtReachable(false, why); });
}

void LibvirtLink::ListDomains() {
  virDomainPtr* domains = nullptr;
  const int count =
      virConnectListAllDomains(connection_, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  if (count < 0) return;  // the connection just broke: the close callback follows
  std::vector<Uuid> present;
  for (int i = 0; i < count; ++i) {
    present.push_back(UuidOf(domains[i]));
    Describe(domains[i]);
    virDomainFree(domains[i]);
  }
  std::free(domains);
  std::vector<Uuid> missing;
  for (const auto& [uuid, description] : running_)
    if (std::find(present.begin(), present.end(), uuid) == present.end()) missing.push_back(uuid);
  for (const Uuid& uuid : missing) Ended(uuid, DomainEnd::kUnknown);
}

void LibvirtLink::DescribeLater(virDomainPtr domain) {
  thread_.Post([self = self_, uuid = UuidOf(domain)] {
    if (*self == nullptr || (*self)->connection_ == nullptr) return;
    const OwnedDomain found = LookUpDomain((*self)->connection_, uuid);
    if (!found) return virResetLastError();  // gone already; its event follows
    (*self)->Describe(found.get());
  });
}

void LibvirtLink::Describe(virDomainPtr domain) {
  char* xml = virDomainGetXMLDesc(domain, 0);
  if (xml == nullptr) return virResetLastError();  // gone already; its event follows
  auto description = ParseDomainXml(xml, options_.channel_name);
  std::free(xml);
  if (!description) return;  // libvirt's own XML; nothing to say about a domain without a name
  description->policy = PolicyOf(domain);
  running_.insert_or_assign(description->uuid, *description);
  listener_.Call([d = std::move(*description)](DomainListener& l) { l.DomainSeen(d); });
}

void LibvirtLink::Ended(const Uuid& domain, DomainEnd end) {
  if (running_.erase(domain) == 0) return;
  listener_.Call([domain, end](DomainListener& l) { l.DomainGone(domain, end); });
}

void LibvirtLink::OnLifecycle(virDomainPtr domain, int event, int detail) {
  switch (static_cast<virDomainEventType>(event)) {
    case VIR_DOMAIN_EVENT_RESUMED:
      listener_.Call([uuid = UuidOf(domain)](DomainListener& l) { l.DomainResumed(uuid); });
      return DescribeLater(domain);
    case VIR_DOMAIN_EVENT_STARTED:
      return DescribeLater(domain);
    case VIR_DOMAIN_EVENT_SHUTDOWN:
      return listener_.Call(
          [uuid = UuidOf(domain)](DomainListener& l) { l.DomainShuttingDown(uuid); });
    case VIR_DOMAIN_EVENT_STOPPED:
      return Ended(UuidOf(domain), EndOf(detail));
    case VIR_DOMAIN_EVENT_DEFINED:
    case VIR_DOMAIN_EVENT_UNDEFINED:
    case VIR_DOMAIN_EVENT_SUSPENDED:
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
    case VIR_DOMAIN_EVENT_CRASHED:  // the guest panicked; QEMU and its memory are still there
      return;
  }
}

void LibvirtLink::OpenStream(const Uuid& domain, const std::shared_ptr<StreamPump>& pump) {
  std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  if (connection_ == nullptr)
    return pump->Finish(Error{ErrorCode::kClosed, 0, "libvirtd is out of reach"});
  const OwnedDomain found = LookUpDomain(connection_, domain);
  if (!found)
    return pump->Finish(Error{ErrorCode::kNotFound, 0, LastError("domain of the channel")});
  streams_.push_back(pump);
  pump->Open(connection_, found.get(), options_.channel_name);
}

}  // namespace seaward
