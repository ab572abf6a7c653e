#include "host-notifier/config/notifier_config.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "host-notifier/config/policy_reader.h"

namespace seaward::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using yaml::Located;
using yaml::MapReader;

constexpr std::pair<std::string_view, HostRetire> kHostRetireWords[] = {
    {"auto", HostRetire::kAuto},
    {"after_verdict", HostRetire::kAfterVerdict},
    {"at_end", HostRetire::kAtEnd},
    {"off", HostRetire::kOff}};
constexpr std::pair<std::string_view, HealMode> kHealWords[] = {
    {"off", HealMode::kOff},
    {"at_reset", HealMode::kAtReset},
    {"when_retired", HealMode::kWhenRetired}};
constexpr std::pair<std::string_view, HostTraceMode> kHostTraceWords[] = {
    {"auto", HostTraceMode::kAuto}, {"on", HostTraceMode::kOn}, {"off", HostTraceMode::kOff}};
// Below 64 KiB virtio-serial and libvirt streams take everything without blocking anybody; one
// frame of the protocol must fit (protocol/spec.md).
constexpr std::uint64_t kMinOutstandingBytes = 4096 + 28;
constexpr std::uint64_t kMaxOutstandingBytes = 49152;
constexpr std::size_t kMaxNameBytes = 255;

// A unix socket's path must fit sockaddr_un with its final NUL.
std::string SocketPath(MapReader& map, std::string_view key, std::optional<std::string> fallback) {
  Located<std::string> path = map.Path(key, std::move(fallback));
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.value.size() > kLongest)
    map.Refuse(path.at, fmt::format("'{}' is {} bytes long; a socket's path has at most {}", key,
                                    path.value.size(), kLongest));
  return std::move(path.value);
}

LibvirtConfig ReadLibvirt(MapReader map) {
  LibvirtConfig libvirt;
  libvirt.uri = map.Text("uri", "qemu:///system").value;
  libvirt.enabled = libvirt.uri != "none";
  libvirt.status_dir = map.Path("status_dir", "/run/libvirt/qemu").value;
  libvirt.channel_name = map.Text("channel_name", "org.seaward.agent.0").value;
  return libvirt;
}

SessionConfig ReadSession(MapReader map) {
  SessionConfig session;
  session.resend_initial = map.Duration<milliseconds>("resend_initial_ms", milliseconds(1000),
                                                      {milliseconds(10), milliseconds(60000)})
                               .value;
  const auto longest = map.Duration<milliseconds>("resend_max_ms", milliseconds(30000),
                                                  {milliseconds(10), milliseconds(600000)});
  session.resend_max = longest.value;
  if (session.resend_max < session.resend_initial)
    map.Refuse(longest.at, "'session.resend_max_ms' is less than 'session.resend_initial_ms'");
  session.heartbeat =
      map.Duration<seconds>("heartbeat_s", seconds(300), {seconds(0), seconds(86400)}).value;
  session.verdict_deadline =
      map.Duration<seconds>("verdict_deadline_s", seconds(60), {seconds(0), seconds(86400)}).value;
  session.outstanding_bytes =
      map.Integer("outstanding_bytes", 32768, {kMinOutstandingBytes, kMaxOutstandingBytes}).value;
  return session;
}

bool IsNumericAddress(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  return ::inet_pton(AF_INET, text.c_str(), &v4) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

MetricsConfig ReadMetrics(MapReader map) {
  MetricsConfig metrics;
  const Located<std::string> listen = map.Text("listen", "none");
  metrics.enabled = listen.value != "none";
  if (!metrics.enabled) return metrics;
  const std::string_view text = listen.value;
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  metrics.address = text.substr(0, colon);
  const bool bracketed = metrics.address.starts_with('[') && metrics.address.ends_with(']');
  if (bracketed) metrics.address = metrics.address.substr(1, metrics.address.size() - 2);
  const bool v6 = metrics.address.find(':') != std::string::npos;
  const std::string_view port = text.substr(std::min(colon + 1, text.size()));
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), metrics.port);
  const bool whole = error == std::errc() && end == port.data() + port.size();
  if (!whole || bracketed != v6 || !IsNumericAddress(metrics.address))
    map.Refuse(listen.at,
               "'metrics.listen' must be none, ADDRESS:PORT or [ADDRESS]:PORT, in numbers");
  return metrics;
}

HostTraceConfig ReadHostTrace(MapReader map) {
  HostTraceConfig trace;
  trace.mode = map.Choice<HostTraceMode>("read", kHostTraceWords, HostTraceMode::kAuto).value;
  trace.tracefs = map.Path("tracefs", "/sys/kernel/tracing").value;
  return trace;
}

std::chrono::hours ReadDays(MapReader& map, std::string_view key, std::uint64_t fallback) {
  constexpr std::uint64_t kTenYears = 3650;
  const std::uint64_t days = map.Integer(key, fallback, {1, kTenYears}).value;
  return std::chrono::hours(24) * static_cast<int>(days);
}

RetentionConfig ReadRetention(MapReader map) {
  RetentionConfig retention;
  retention.closed_pages = ReadDays(map, "closed_pages_days", 90);
  retention.events = ReadDays(map, "events_days", 90);
  retention.audit = ReadDays(map, "audit_days", 365);
  retention.max_rows = map.Integer("max_rows", 1000000, {1000, 100000000}).value;
  return retention;
}

StaticVm ReadStaticVm(MapReader& map, const std::vector<StaticVm>& earlier) {
  StaticVm vm;
  const Located<std::string> name = map.Text("name", std::nullopt);
  const Located<Uuid> uuid = map.Parsed<Uuid>("uuid", "uuid", &ParseUuid);
  vm.name = name.value;
  vm.uuid = uuid.value;
  vm.channel = SocketPath(map, "channel", std::nullopt);
  vm.attach_uid = static_cast<uid_t>(
      map.Integer("attach_uid", 0, {0, std::numeric_limits<uid_t>::max() - 1}).value);
  vm.has_ghes = map.Flag("has_ghes", false).value;
  if (vm.name.size() > kMaxNameBytes)
    map.Refuse(name.at, fmt::format("a name has at most {} bytes", kMaxNameBytes));
  for (const StaticVm& other : earlier) {
    if (!vm.name.empty() && other.name == vm.name)
      map.Refuse(name.at, fmt::format("a second VM named '{}'", vm.name));
    if (!vm.uuid.IsNil() && other.uuid == vm.uuid)
      map.Refuse(uuid.at, fmt::format("'{}' has this UUID already", other.name));
    if (!vm.channel.empty() && other.channel == vm.channel)
      map.Refuse(map.at(), fmt::format("'{}' has this channel already", other.name));
  }
  return vm;
}

NotifierConfig Read(MapReader& top) {
  NotifierConfig config;
  config.state_dir = top.Path("state_dir", "/var/lib/seaward").value;
  config.control_socket = SocketPath(top, "control_socket", std::string(kDefaultControlSocket));
  config.attach_socket = SocketPath(top, "attach_socket", std::string(kDefaultAttachSocket));
  if (config.attach_socket == config.control_socket)
    top.Refuse(top.at(), "'attach_socket' and 'control_socket' are the same path");
  config.attach_grace =
      top.Duration<seconds>("attach_grace_s", seconds(30), {seconds(0), seconds(86400)}).value;
  config.log_level = top.Choice<LogLevel>("log_level", kLogLevelWords, LogLevel::kInfo).value;
  config.host_retire =
      top.Choice<HostRetire>("host_retire", kHostRetireWords, HostRetire::kAuto).value;
  const Located<HealMode> heal = top.Choice<HealMode>("heal", kHealWords, HealMode::kOff);
  config.heal = heal.value;
  if (config.heal != HealMode::kOff && config.host_retire == HostRetire::kOff)
    top.Refuse(heal.at, "'heal' needs 'host_retire': another VM would get the bad page");
  config.fixed_backing = ReadGlobs(top, top.TextList("fixed_backing"));
  config.hard_offline_path =
      top.Path("hard_offline_path", "/sys/devices/system/memory/hard_offline_page").value;
  config.libvirt = ReadLibvirt(top.Map("libvirt"));
  config.session = ReadSession(top.Map("session"));
  config.metrics = ReadMetrics(top.Map("metrics"));
  config.host_trace = ReadHostTrace(top.Map("host_trace"));
  config.retention = ReadRetention(top.Map("retention"));
  config.policy = ReadPolicy(top.Map("policy"), config.host_retire != HostRetire::kOff);
  top.ForEach("static_vms", [&](MapReader& map) {
    config.static_vms.push_back(ReadStaticVm(map, config.static_vms));
  });
  return config;
}

}  // namespace

bool NotifierConfig::HasFixedBacking(std::string_view vm_name) const {
  return std::ranges::any_of(fixed_backing,
                             [&](const policy::Glob& glob) { return glob.Matches(vm_name); });
}

std::string_view ToString(HostRetire mode) {
  switch (mode) {
    case HostRetire::kAuto:
      return "auto";
    case HostRetire::kAfterVerdict:
      return "after_verdict";
    case HostRetire::kAtEnd:
      return "at_end";
    case HostRetire::kOff:
      return "off";
  }
  return "";
}

std::string_view ToString(HealMode mode) {
  switch (mode) {
    case HealMode::kOff:
      return "off";
    case HealMode::kAtReset:
      return "at_reset";
    case HealMode::kWhenRetired:
      return "when_retired";
  }
  return "";
}

yaml::Loaded<NotifierConfig> LoadNotifierConfig(const std::string& path) {
  return yaml::LoadFile<NotifierConfig>(path, Read);
}

yaml::Loaded<NotifierConfig> ParseNotifierConfig(const std::string& file, std::string_view text) {
  return yaml::Load<NotifierConfig>(file, text, Read);
}

std::vector<yaml::KeySpec> DescribeNotifierConfig() {
  return yaml::DescribeKeys([](MapReader& top) { Read(top); });
}

}  // namespace seaward::config
