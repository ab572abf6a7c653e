// What the operator decides about the host side: /etc/seaward/notifier.yaml as a validated,
// immutable value. docs/CONTRACT.md lists every key; tests/contract keeps the two equal.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/uuid.h"
#include "base/yaml/map_reader.h"
#include "host-notifier/policy/glob.h"
#include "host-notifier/policy/rule.h"

namespace seaward::config {

inline constexpr std::string_view kDefaultNotifierConfigPath = "/etc/seaward/notifier.yaml";
inline constexpr std::string_view kDefaultControlSocket = "/run/seaward/control.sock";
inline constexpr std::string_view kDefaultAttachSocket = "/run/seaward/attach.sock";

// When a frame that gave bad data is taken away from the host's allocator.
enum class HostRetire {
  kAuto,          // by the domain's live XML: with GHES after the verdict, otherwise at the end
  kAfterVerdict,  // as soon as the guest stopped using the page
  kAtEnd,         // when the VM ends
  kOff,           // never: the frame goes back to the host's allocator
};
std::string_view ToString(HostRetire mode);

// When a bad page of a guest gets good memory again.
enum class HealMode {
  kOff,          // with the VM's end
  kAtReset,      // when the guest is reset, before its images are loaded
  kWhenRetired,  // as soon as the guest stopped using it
};
std::string_view ToString(HealMode mode);

struct LibvirtConfig {
  bool enabled = true;       // uri is not "none"
  std::string uri;           // of virConnectOpen
  std::string status_dir;    // where libvirtd keeps NAME.xml and NAME.pid of running domains
  std::string channel_name;  // the virtio-serial port that makes a domain ours
};

// A VM without libvirt.
struct StaticVm {
  std::string name;
  Uuid uuid;
  std::string channel;    // unix socket of its virtio-serial port
  uid_t attach_uid = 0;   // the user whose VMM may attach for it
  bool has_ghes = false;  // its VMM tells it of memory errors through ACPI's GHES
};

// Where Prometheus may read.
struct MetricsConfig {
  bool enabled = false;
  std::string address;  // numeric, IPv4 or IPv6
  std::uint16_t port = 0;
};

struct SessionConfig {
  std::chrono::milliseconds resend_initial{0};
  std::chrono::milliseconds resend_max{0};
  std::chrono::seconds heartbeat{0};         // 0 = none
  std::chrono::seconds verdict_deadline{0};  // 0 = none
  std::uint64_t outstanding_bytes = 0;
};

// Whether errors that the host's kernel meets by itself are taken from its trace.
enum class HostTraceMode {
  kAuto,  // where the system allows it
  kOn,    // the notifier does not start without it
  kOff,
};

struct HostTraceConfig {
  HostTraceMode mode = HostTraceMode::kAuto;
  std::string tracefs;  // where it is mounted
};

// What the ledger keeps of what is over.
struct RetentionConfig {
  std::chrono::hours closed_pages{0};
  std::chrono::hours events{0};
  std::chrono::hours audit{0};
  std::uint64_t max_rows = 0;  // of each of them
};

struct NotifierConfig {
  std::string state_dir;
  std::string control_socket;
  std::string attach_socket;
  std::chrono::seconds attach_grace{0};  // a VM may run unattached for this long
  LogLevel log_level = LogLevel::kInfo;
  HostRetire host_retire = HostRetire::kAuto;
  HealMode heal = HealMode::kOff;           // not without host_retire
  std::vector<policy::Glob> fixed_backing;  // VMs whose memory stays when their process ends
  std::string hard_offline_path;
  LibvirtConfig libvirt;
  std::vector<StaticVm> static_vms;
  SessionConfig session;
  MetricsConfig metrics;
  HostTraceConfig host_trace;
  RetentionConfig retention;
  policy::PolicyConfig policy;

  std::string LedgerPath() const { return state_dir + "/ledger.db"; }
  bool HasFixedBacking(std::string_view vm_name) const;
};

// All errors at once, each with line and column; a file that cannot be read is one of them.
yaml::Loaded<NotifierConfig> LoadNotifierConfig(const std::string& path);
// The same from memory; `file` is only the name in diagnostics.
yaml::Loaded<NotifierConfig> ParseNotifierConfig(const std::string& file, std::string_view text);
// Every key that the loader accepts, with its default.
std::vector<yaml::KeySpec> DescribeNotifierConfig();

}  // namespace seaward::config
