#include "tests/lab/host/nested_guest.h"

#include <fmt/format.h>

#include <sstream>

#include "tests/lab/host/host_services.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kShort{60};
// libvirt learns about QEMU first when its cache is cold.
constexpr std::chrono::seconds kVirsh{240};
// A booting guest does not answer; the question is asked again.
constexpr std::chrono::seconds kOneTry{3};
// One that is up answers within a second or two.
constexpr std::chrono::seconds kOneAnswer{10};
constexpr std::uint64_t kPage = 4096;
// Leaves the kernel just enough to live on; where that was too little, twice as much, to this
// limit.
constexpr std::uint64_t kLeaveBytes = 4u << 20;
constexpr std::uint64_t kLeaveAtMost = 32u << 20;

constexpr char kDomain[] =
    R"(<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name><memory unit='MiB'>{mib}</memory>{backing}<vcpu>{vcpus}</vcpu>
  <os><type arch='aarch64' machine='virt'>hvm</type>{loader}
    <kernel>/guest/Image</kernel><initrd>/seaward/guest/{initramfs}</initrd>
    <cmdline>console=ttyAMA0 loglevel={loglevel} panic=-1 oops=panic seaward.frames=1{words}</cmdline></os>
  <features>{acpi}<gic version='3'/></features><cpu mode='host-passthrough'/>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>
  <devices><emulator>/usr/bin/qemu-system-aarch64</emulator>
    {disk}<controller type='usb' model='none'/><controller type='virtio-serial' index='0'/>
    <channel type='unix'><source mode='bind' path='{sockets}/{name}-agent.sock'/>
      <target type='virtio' name='org.seaward.agent.0'/></channel>
    <channel type='unix'><source mode='bind' path='{sockets}/{name}-command.sock'/>
      <target type='virtio' name='org.seaward.test.0'/></channel>
    <serial type='file'><source path='/run/guest/console.log' append='on'/></serial>
    <memballoon model='none'/></devices>
  <qemu:commandline>{preload}
    <qemu:env name='SEAWARD_ATTACH_SOCKET' value='{attach}'/>
    <qemu:env name='SEAWARD_INJECT' value='{inject}'/>
    <qemu:env name='SEAWARD_HOLD_US' value='{hold}'/>{arguments}
  </qemu:commandline>
</domain>
)";

// Without a store of variables: QEMU gives the firmware memory for it. The <ras> element is of a
// later libvirt than the host's.
constexpr char kFirmware[] =
    "\n    <loader readonly='yes' type='pflash' stateless='yes'>/guest/AAVMF_CODE.fd</loader>";
constexpr char kFirmwareWithVariables[] =
    "\n    <loader readonly='yes' type='pflash'>/guest/AAVMF_CODE.fd</loader>"
    "<nvram>/run/guest/{name}-variables</nvram>";
constexpr char kEspDisk[] =
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
    "<source file='/run/guest/{name}-esp'/><target dev='vda' bus='virtio'/></disk>\n    ";
// Flash that nobody has written to yet, and an empty disk. QEMU runs as nobody.
constexpr char kMakeEspFiles[] =
    "cd /run/guest && truncate -s 64M {name}-variables && "
    "/bin/busybox gunzip -c /seaward/guest/esp.gz > {name}-esp && "
    "chown nobody:nogroup {name}-variables {name}-esp";
constexpr char kHugePages[] = "<memoryBacking><hugepages/></memoryBacking>";
constexpr char kPreload[] =
    "\n    <qemu:env name='LD_PRELOAD' value='/seaward/lib/libseaward-preload.so'/>";
constexpr char kRasByHand[] = "\n    <qemu:arg value='-machine'/><qemu:arg value='ras=on'/>";

// The firmware needs room to unpack the kernel beside its own.
std::uint64_t MemoryOf(Board board) {
  return std::uint64_t{board == Board::kDeviceTree ? 160U : 320U} << 20;
}

std::string DomainXml(const GuestPlan& plan, const LibvirtPlaces& libvirt) {
  const bool acpi = plan.board != Board::kDeviceTree;
  const bool ghes = plan.board == Board::kAcpiGhes;
  const bool esp = plan.board == Board::kEsp;
  const auto of_name = [&](const char* text) {
    return fmt::format(fmt::runtime(text), fmt::arg("name", plan.name));
  };
  const std::string loader = esp ? of_name(kFirmwareWithVariables) : ghes ? kFirmware : "";
  return fmt::format(
      kDomain, fmt::arg("name", plan.name), fmt::arg("mib", MemoryOf(plan.board) >> 20),
      fmt::arg("words",
               (plan.guarded ? " seaward.early=1 seaward.agent=1 " : " ") + plan.more_words),
      fmt::arg("initramfs", esp ? "uefi-initramfs" : "initramfs"),
      fmt::arg("disk", esp ? of_name(kEspDisk) : ""),
      // GHES speaks in warnings.
      fmt::arg("loglevel", ghes ? 5 : 4), fmt::arg("loader", loader),
      fmt::arg("acpi", acpi ? "<acpi/>" : ""), fmt::arg("arguments", ghes ? kRasByHand : ""),
      fmt::arg("backing", plan.huge_pages ? kHugePages : ""),
      fmt::arg("preload", plan.interposed ? kPreload : ""), fmt::arg("inject", plan.inject),
      fmt::arg("vcpus", plan.vcpus), fmt::arg("hold", plan.hold.count()),
      fmt::arg("sockets", libvirt.sockets), fmt::arg("attach", kAttachSocket));
}

}  // namespace

NestedGuest::NestedGuest(EmulatedHost& host, const GuestPlan& plan)
    : host_(&host),
      name_(plan.name),
      memory_(MemoryOf(plan.board)),
      commands_(host.command_server(),
                fmt::format("{}/{}-command.sock", host.libvirt().sockets, name_)) {}

Result<std::unique_ptr<NestedGuest>> NestedGuest::Create(EmulatedHost& host,
                                                         const GuestPlan& plan) {
  std::unique_ptr<NestedGuest> guest(new NestedGuest(host, plan));
  if (plan.board == Board::kEsp) {
    auto made = host.Shell(fmt::format(kMakeEspFiles, fmt::arg("name", plan.name)), kShort);
    if (!made) return Forward(made);
  }
  const std::string xml = DomainXml(plan, host.libvirt());
  const std::string path = "/run/" + plan.name + ".xml";
  if (auto written = host.WriteFile(path, xml); !written) return Forward(written);
  host.transcript().Add("domain_create", {{"name", plan.name}, {"xml", xml}});
  if (auto created = guest->Virsh("create " + path); !created) return Forward(created);
  if (auto found = guest->FindMemory(); !found) return Forward(found);
  return guest;
}

Status NestedGuest::Virsh(const std::string& words) {
  auto done = host_->Shell(fmt::format("virsh -q -c '{}' {}", host_->libvirt().uri, words), kVirsh);
  if (!done) return Forward(done);
  return {};
}

Status NestedGuest::FindMemory() {
  auto text = host_->Shell(fmt::format("p=$(cat {}/{}.pid); echo $p; cat /proc/$p/maps",
                                       host_->libvirt().running, name_),
                           kShort);
  if (!text) return Forward(text);
  std::istringstream lines(*text);
  lines >> vmm_;
  for (std::string line; std::getline(lines, line);) {
    std::uint64_t first = 0, last = 0;
    char dash = 0;
    std::string access;
    std::istringstream(line) >> std::hex >> first >> dash >> last >> access;
    if (last - first == memory_ && access == "rw-p") memory_at_ = first;
  }
  if (memory_at_ == 0)
    return Fail(ErrorCode::kNotFound, "the guest's RAM is not in the VMM's maps");
  return {};
}

Status NestedGuest::WaitUp(milliseconds limit) {
  Error last{ErrorCode::kTimeout, 0, "not asked"};
  const auto is_up = [&] {
    auto status = Ask("status", Json::object(), kOneTry);
    if (!status) {
      last = status.error();
      return false;
    }
    const std::string boot = status->value("boot_id", "");
    if (boot.empty() || boot == boot_id_) return false;
    boot_id_ = boot;
    status_ = std::move(*status);
    return true;
  };
  if (testing::WaitUntil(is_up, limit)) return {};
  return Fail(ErrorCode::kTimeout, "guest " + name_ + " does not come up: " + last.Text());
}

Result<Json> NestedGuest::Ask(const std::string& command, const Json& arguments,
                              milliseconds limit) {
  auto reply = commands_.Ask(command, arguments, limit);
  const Json heard = reply ? *reply : Json{{"error", reply.error().Text()}};
  host_->transcript().Add(
      "guest", {{"name", name_}, {"command", command}, {"arguments", arguments}, {"reply", heard}});
  return reply;
}

Result<Json> NestedGuest::AskAgain(const std::string& question, const Json& arguments,
                                   milliseconds limit) {
  Result<Json> reply = Fail(ErrorCode::kTimeout, question + ": not asked");
  const auto answered = [&] {
    reply = Ask(question, arguments, kOneAnswer);
    return reply.has_value();
  };
  testing::WaitUntil(answered, limit);
  return reply;
}

Result<Json> NestedGuest::AskForMemory(const std::string& command, Json arguments,
                                       milliseconds limit) {
  for (std::uint64_t leave = kLeaveBytes;; leave *= 2) {
    arguments["leave_bytes"] = leave;
    auto reply = Ask(command, arguments, limit);
    if (reply || leave == kLeaveAtMost || !reply.error().context.ends_with("worker is gone"))
      return reply;
  }
}

Status NestedGuest::Reset() {
  host_->transcript().Add("domain_reset", {{"name", name_}});
  return Virsh("reset " + name_);
}

Status NestedGuest::RebootFromInside() {
  auto done = Ask("reboot", Json::object(), kShort);
  if (!done) return Forward(done);
  return {};
}

Status NestedGuest::Pause() {
  return Virsh("suspend " + name_);
}

Status NestedGuest::Resume() {
  return Virsh("resume " + name_);
}

Status NestedGuest::Destroy() {
  host_->transcript().Add("domain_destroy", {{"name", name_}});
  return Virsh("destroy " + name_);
}

Status NestedGuest::KillVmm() {
  host_->transcript().Add("vmm_killed", {{"name", name_}});
  auto killed = host_->Shell(fmt::format("kill -9 {}", vmm_), kShort);
  if (!killed) return Forward(killed);
  return {};
}

Result<Json> NestedGuest::ProcessPages(std::uint64_t first, std::uint64_t pages) {
  return host_->command_server().Ask(
      "process_pages",
      {{"pid", vmm_}, {"at", FormatAddress(memory_at_ + first * kPage)}, {"pages", pages}}, kShort);
}

Result<std::optional<HostPhysAddr>> NestedGuest::BackingOf(GuestPhysAddr page) {
  auto pages = ProcessPages((page.value - kMemoryBase) / kPage, 1);
  if (!pages) return Forward(pages);
  const auto frame = pages->at("frame").get<std::uint64_t>();
  if (frame == 0) return std::optional<HostPhysAddr>{};
  return std::optional<HostPhysAddr>{{frame * kPage}};
}

Result<std::vector<ByteRange>> NestedGuest::NeverTouched() {
  auto pages = ProcessPages(0, memory_ / kPage);
  if (!pages) return Forward(pages);
  std::vector<ByteRange> ranges;
  for (const auto& run : pages->at("untouched")) {
    const auto first = run.at(0).get<std::uint64_t>();
    const auto last = run.at(1).get<std::uint64_t>();
    if (auto range = ByteRange::Make({kMemoryBase + first * kPage}, (last - first + 1) * kPage))
      ranges.push_back(*range);
  }
  return ranges;
}

}  // namespace seaward::lab
