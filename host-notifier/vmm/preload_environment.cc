#include "host-notifier/vmm/preload_environment.h"

#include <charconv>

#include "host-notifier/vmm/vcpu_hold.h"
#include "seaward/vmm.h"

namespace seaward::vmm {
namespace {

void ReadInject(const std::string& text, PreloadEnvironment& out) {
  if (text == "auto") {
    out.inject = InjectMode::kAuto;
  } else if (text == "native") {
    out.inject = InjectMode::kNative;
  } else if (text == "kvm") {
    out.inject = InjectMode::kKvm;
  } else if (text == "exact") {
    out.inject = InjectMode::kExact;
  } else if (text == "none") {
    out.inject = InjectMode::kNone;
  } else {
    out.complaints.push_back("SEAWARD_INJECT='" + text +
                             "' is not auto, native, kvm, exact or none: auto holds");
  }
}

// Complains and keeps `value` when the text is no number, or none from `least` to `most`.
template <class Duration>
void ReadTime(const std::string& name, const std::string& text, Duration least, Duration most,
              Duration& value, PreloadEnvironment& out) {
  typename Duration::rep number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() &&
      number >= least.count() && number <= most.count()) {
    value = Duration(number);
  } else {
    out.complaints.push_back(name + "='" + text + "' is not " + std::to_string(least.count()) +
                             " to " + std::to_string(most.count()) + ": the default holds");
  }
}

void ReadLog(const std::string& text, PreloadEnvironment& out) {
  if (text == "off") {
    out.silent = true;
  } else if (text == "error") {
    out.threshold = LogLevel::kError;
  } else if (text == "info") {
    out.threshold = LogLevel::kInfo;
  } else if (text == "debug") {
    out.threshold = LogLevel::kDebug;
  } else {
    out.complaints.push_back("SEAWARD_LOG='" + text +
                             "' is not off, error, info or debug: info holds");
  }
}

}  // namespace

PreloadEnvironment ReadPreloadEnvironment(const std::function<const char*(const char*)>& get) {
  PreloadEnvironment out;
  out.attach_socket = SEAWARD_DEFAULT_ATTACH_SOCKET;
  if (const char* path = get("SEAWARD_ATTACH_SOCKET"); path != nullptr && *path != '\0')
    out.attach_socket = path;
  if (const char* text = get("SEAWARD_INJECT"); text != nullptr) ReadInject(text, out);
  // A guest that stands still longer takes its CPU for dead.
  constexpr std::chrono::milliseconds longest_native{10000};
  if (const char* text = get("SEAWARD_NATIVE_WAIT_MS"); text != nullptr)
    ReadTime("SEAWARD_NATIVE_WAIT_MS", text, std::chrono::milliseconds(1), longest_native,
             out.native_wait, out);
  if (const char* text = get("SEAWARD_HOLD_US"); text != nullptr)
    ReadTime("SEAWARD_HOLD_US", text, std::chrono::microseconds(0), kLongestHold, out.hold, out);
  if (const char* text = get("SEAWARD_LOG"); text != nullptr) ReadLog(text, out);
  return out;
}

FdIdentity IdentifyByName(std::string_view name) {
  constexpr std::string_view kVcpu = "anon_inode:kvm-vcpu:";
  if (name == "anon_inode:kvm-vm") return {.kind = FdIdentity::Kind::kVm, .vcpu = 0};
  if (!name.starts_with(kVcpu)) return {};
  name.remove_prefix(kVcpu.size());
  FdIdentity identity{.kind = FdIdentity::Kind::kVcpu, .vcpu = 0};
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), identity.vcpu);
  return parsed.ec == std::errc{} && parsed.ptr == name.data() + name.size() ? identity
                                                                             : FdIdentity{};
}

}  // namespace seaward::vmm
