#include "host-notifier/libvirt/domain_handle.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <cstdlib>

#include "host-notifier/libvirt/owned_domain.h"

namespace seaward {
namespace {

// libvirt prints errors to stderr by itself; here they are in the answer.
void SayNothing(void*, virErrorPtr) {}

// Takes what libvirt allocated.
std::string Take(char* text) {
  const std::unique_ptr<char, decltype(&std::free)> owned(text, &std::free);
  return owned ? std::string(owned.get()) : std::string();
}

}  // namespace

Status DomainHandle::Connect() {
  if (connection_ && virConnectIsAlive(connection_.get()) == 1) return {};
  connection_.reset();
  virSetErrorFunc(nullptr, &SayNothing);
  connection_.reset(virConnectOpen(uri_.c_str()));
  if (connection_) return {};
  return Fail(ErrorCode::kClosed, TakeLibvirtError("libvirt at " + uri_).context);
}

Result<std::unique_ptr<DomainHandle>> DomainHandle::Open(std::string uri,
                                                         const std::string& name_or_uuid) {
  std::unique_ptr<DomainHandle> handle(new DomainHandle(std::move(uri)));
  if (auto connected = handle->Connect(); !connected) return Forward(connected);
  const OwnedDomain found = FindDomain(handle->connection_.get(), name_or_uuid);
  if (!found) return tl::unexpected<Error>(TakeLibvirtError("domain '" + name_or_uuid + "'"));
  if (virDomainGetUUID(found.get(), reinterpret_cast<unsigned char*>(handle->uuid_.bytes.data())) <
      0)
    return tl::unexpected<Error>(TakeLibvirtError("UUID"));
  handle->name_ = virDomainGetName(found.get());
  return handle;
}

template <class Call>
Status DomainHandle::Do(const char* what, Call&& call) {
  if (auto connected = Connect(); !connected) return connected;
  const OwnedDomain found = LookUpDomain(connection_.get(), uuid_);
  if (!found) return tl::unexpected<Error>(TakeLibvirtError("domain '" + name_ + "'"));
  if (call(found.get()) < 0) return tl::unexpected<Error>(TakeLibvirtError(what));
  return {};
}

Result<DomainState> DomainHandle::Look() {
  DomainState state;
  auto done = Do("state", [&state](virDomainPtr domain) {
    int now = VIR_DOMAIN_NOSTATE;
    int reason = 0;
    const int failed = virDomainGetState(domain, &now, &reason, 0);
    state.paused = now == VIR_DOMAIN_PAUSED;
    state.running = now == VIR_DOMAIN_RUNNING || now == VIR_DOMAIN_BLOCKED || state.paused;
    return failed;
  });
  if (!done) return Forward(done);
  return state;
}

Result<std::uint64_t> DomainHandle::MemoryBytes() {
  virDomainInfo info{};
  auto done =
      Do("memory", [&info](virDomainPtr domain) { return virDomainGetInfo(domain, &info); });
  if (!done) return Forward(done);
  return std::uint64_t{info.maxMem} << 10;
}

Result<std::optional<std::string>> DomainHandle::Metadata(const std::string& name_space) {
  std::optional<std::string> element;
  auto done = Do("metadata", [&](virDomainPtr domain) {
    char* text = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, name_space.c_str(),
                                      VIR_DOMAIN_AFFECT_CURRENT);
    if (text != nullptr) element = Take(text);
    const virError* error = virGetLastError();
    const bool none = error != nullptr && error->code == VIR_ERR_NO_DOMAIN_METADATA;
    return text != nullptr || none ? 0 : -1;
  });
  if (!done) return Forward(done);
  return element;
}

Status DomainHandle::Pause() {
  return Do("pause", &virDomainSuspend);
}

Status DomainHandle::Resume() {
  return Do("resume", &virDomainResume);
}

Status DomainHandle::Reset() {
  return Do("reset", [](virDomainPtr domain) { return virDomainReset(domain, 0); });
}

Status DomainHandle::Reboot() {
  return Do("reboot", [](virDomainPtr domain) { return virDomainReboot(domain, 0); });
}

Result<std::string> DomainHandle::AskGuestAgent(const std::string& command,
                                                std::chrono::seconds patience) {
  std::string answer;
  auto done = Do("guest agent", [&](virDomainPtr domain) {
    char* text =
        virDomainQemuAgentCommand(domain, command.c_str(), static_cast<int>(patience.count()), 0);
    if (text != nullptr) answer = Take(text);
    return text != nullptr ? 0 : -1;
  });
  if (done) return answer;
  if (done.error().code == ErrorCode::kIo) done.error().code = ErrorCode::kUnsupported;
  return Forward(done);
}

Result<std::string> DomainHandle::AskMonitor(const std::string& line) {
  std::string answer;
  auto done = Do("monitor", [&](virDomainPtr domain) {
    char* text = nullptr;
    const int failed = virDomainQemuMonitorCommand(domain, line.c_str(), &text,
                                                   VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP);
    answer = Take(text);
    return failed;
  });
  if (!done) return Forward(done);
  return answer;
}

}  // namespace seaward
