#include "tests/lab/host/host_services.h"

#include <fmt/format.h>
#include <signal.h>

#include <filesystem>

#include "tests/support/child_process.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kShort{60};
constexpr std::chrono::seconds kServiceUp{120};

constexpr char kPrepareSession[] = R"(
D=/run/lv
mkdir -p $D/rt $D/cfg/libvirt $D/cache $D/data $D/state && chmod 700 $D/rt
printf 'security_driver = "none"\ncgroup_controllers = [ ]\nnamespaces = [ ]\nstdio_handler = "file"\n' > $D/cfg/libvirt/qemu.conf
printf 'auth_unix_ro = "none"\nauth_unix_rw = "none"\nlog_outputs = "3:file:%s/libvirtd.log"\n' $D > $D/cfg/libvirt/libvirtd.conf
cp -r /seaward/libvirt-cache/. $D/cache/
chown -R nobody:nogroup $D
)";

// What Debian's package would have set up, on a root that cannot be written. Without virtlogd and
// cgroups, which are nothing to the VMM; all that shuts the VMM in (user, namespace, seccomp) is as
// by default.
constexpr char kPrepareSystem[] = R"(
set -e
cp -a /etc /run/etc && mount --bind /run/etc /etc
echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >> /etc/passwd
echo 'libvirt-qemu:x:64055:' >> /etc/group
for folder in /var/lib /var/cache /var/log; do mount -t tmpfs tmpfs $folder; mkdir $folder/libvirt; done
mkdir -p /etc/libvirt /run/libvirt /dev/hugepages
mount -t hugetlbfs hugetlbfs /dev/hugepages
printf 'user = "libvirt-qemu"\ngroup = "libvirt-qemu"\nsecurity_driver = "none"\ncgroup_controllers = [ ]\nnamespaces = [ "mount" ]\nseccomp_sandbox = 1\nstdio_handler = "file"\n' > /etc/libvirt/qemu.conf
printf 'auth_unix_ro = "none"\nauth_unix_rw = "none"\nlog_outputs = "3:file:/run/libvirtd.log"\n' > /etc/libvirt/libvirtd.conf
)";

constexpr char kNotifierConfig[] = R"(state_dir: /run/seaward-state
control_socket: /run/seaward/control.sock
attach_socket: /run/seaward/attach.sock
log_level: debug
host_retire: {}
libvirt:
  uri: "{}"
  status_dir: {}
{})";

struct Daemon {
  const char* prepare;
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::string socket;
};

Daemon DaemonOf(LibvirtMode mode) {
  if (mode == LibvirtMode::kSystem)
    return {kPrepareSystem, {"/usr/sbin/libvirtd"}, {}, "/run/libvirt/libvirt-sock"};
  const std::string d = "/run/lv";
  return {kPrepareSession,
          {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
           "/usr/sbin/libvirtd", "-p", d + "/rt/pid"},
          {"HOME=" + d, "XDG_RUNTIME_DIR=" + d + "/rt", "XDG_CONFIG_HOME=" + d + "/cfg",
           "XDG_CACHE_HOME=" + d + "/cache", "XDG_DATA_HOME=" + d + "/data",
           "XDG_STATE_HOME=" + d + "/state"},
          d + "/rt/libvirt/libvirt-sock"};
}

}  // namespace

Status StartLibvirtd(EmulatedHost& host, LibvirtMode mode) {
  const Daemon daemon = DaemonOf(mode);
  host.SetLibvirtMode(mode);
  if (auto prepared = host.Shell(daemon.prepare, kShort); !prepared) return Forward(prepared);
  auto pid = host.Spawn(daemon.argv, daemon.environment, "/run/libvirtd.out");
  if (!pid) return Forward(pid);
  // The loop ends with the shell's limit; it only spares asking across the emulation.
  auto up = host.Shell(
      fmt::format("until [ -S {} ]; do sleep 0.05; kill -0 {} || {{ cat /run/libvirtd.out "
                  "/run/libvirtd.log; exit 1; }}; done",
                  daemon.socket, *pid),
      kServiceUp);
  if (!up) return Fail(up.error().code, "libvirtd does not come up: " + up.error().context);
  // The socket is there before the drivers are; one that cannot start ends the daemon.
  auto answers = host.Shell(fmt::format("virsh -q -c '{}' uri || {{ cat /run/libvirtd.out; cat "
                                        "/run/libvirtd.log; exit 1; }}",
                                        host.libvirt().uri),
                            kServiceUp);
  if (!answers) return Fail(answers.error().code, "libvirtd: " + answers.error().context);
  return {};
}

Status KeepCapabilities(EmulatedHost& host) {
  const std::string& kept = host.images().capabilities;
  if (std::filesystem::exists(kept)) return {};
  auto packed =
      host.Shell("cd /run/lv/cache && tar -cf /run/capabilities.tar libvirt/qemu/cache", kShort);
  if (!packed) return Forward(packed);
  if (auto got = host.Fetch("/run/capabilities.tar", "capabilities.tar"); !got) return got;
  const std::string fresh = kept + ".new";
  std::filesystem::create_directories(fresh);
  auto unpacked = testing::RunToEnd(
      {"tar", "-xf", host.WorkPath("capabilities.tar"), "--no-same-owner", "-C", fresh}, kShort);
  if (!unpacked) return Forward(unpacked);
  if (unpacked->end.exit_code != 0) return Fail(ErrorCode::kIo, unpacked->err);
  std::filesystem::rename(fresh, kept);
  return {};
}

Result<Notifier> Notifier::Start(EmulatedHost& host, const NotifierPlan& plan) {
  auto prepared =
      host.Shell(fmt::format("mkdir -p /run/seaward /run/seaward-state && chmod 755 /run/seaward; "
                             "[ ! -e {0} ] || {{ cat {0} >> {0}.earlier; rm {0}; }}",
                             kNotifierLog),
                 kShort);
  if (!prepared) return Forward(prepared);
  const std::string config = fmt::format(kNotifierConfig, plan.host_retire, host.libvirt().uri,
                                         host.libvirt().running, plan.more);
  if (auto written = host.WriteFile("/run/notifier.yaml", config); !written)
    return Forward(written);
  auto pid = host.Spawn({"/seaward/bin/seaward-notifier", "--config", "/run/notifier.yaml"}, {},
                        kNotifierLog);
  if (!pid) return Forward(pid);
  auto up = host.Shell(fmt::format("until grep -q event=ready {1}; do sleep 0.1; kill -0 {0} || "
                                   "{{ cat {1}; exit 1; }}; done",
                                   *pid, kNotifierLog),
                       kServiceUp);
  if (!up) return Fail(up.error().code, "seaward-notifier does not come up: " + up.error().context);
  return Notifier(host, *pid);
}

Status Notifier::End(int signal) {
  auto& commands = host_->command_server();
  auto told = commands.Ask("kill", {{"pid", pid_}, {"signal", signal}}, kShort);
  if (!told) return Forward(told);
  auto ended = commands.Ask("wait", {{"pid", pid_}}, kShort);
  if (!ended) return Forward(ended);
  if (auto log = host_->Fetch(kNotifierLog, "notifier.log"); !log) return log;
  if (ended->value("running", true))
    return Fail(ErrorCode::kTimeout, "seaward-notifier does not end");
  return {};
}

Status Notifier::Stop() {
  if (auto ended = End(SIGTERM); !ended) return ended;
  return host_->Fetch("/run/seaward-state/ledger.db", kLedger);
}

Status Notifier::Kill() {
  return End(SIGKILL);
}

}  // namespace seaward::lab
