#include "tests/support/tcg_guest.h"

#include <fmt/format.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/file_io.h"
#include "tests/support/child_process.h"
#include "tests/support/guest_files.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

// A boot takes ~5 s of one free core; the machine may be busy with other things.
constexpr auto kBootLimit = std::chrono::seconds(180);
// ~6 s for 200 MiB of one free core.
constexpr auto kHogLimit = std::chrono::seconds(180);
// AAVMF and a boot loader that reads 42 MB of kernel before it: ~25 s.
constexpr auto kUefiBootLimit = std::chrono::seconds(420);
constexpr auto kToolLimit = std::chrono::seconds(30);

struct Machine {
  const char* type;
  const char* emulator;
  const char* features;
  const char* uefi_features;  // besides
  const char* command_line;   // begins with
  const char* firmware;
  const char* variables;  // as the firmware begins with
};

const Machine& MachineOf(const GuestPlan& plan) {
  static constexpr Machine kArm64{"arch='aarch64' machine='virt'",
                                  "/usr/bin/qemu-system-aarch64",
                                  "<gic version='3'/>",
                                  "<acpi/>",
                                  "console=ttyAMA0",
                                  "/usr/share/AAVMF/AAVMF_CODE.fd",
                                  "/usr/share/AAVMF/AAVMF_VARS.fd"};
  // Under emulation the kernel's check of its timer fails when the machine is busy: a panic.
  static constexpr Machine kX86{"arch='x86_64' machine='q35'",
                                "/usr/bin/qemu-system-x86_64",
                                "<acpi/>",
                                "",
                                "console=ttyS0 no_timer_check",
                                "/usr/share/OVMF/OVMF_CODE_4M.fd",
                                "/usr/share/OVMF/OVMF_VARS_4M.fd"};
  return plan.machine == GuestMachine::kX86 ? kX86 : kArm64;
}

// In the libvirtd's folder.
constexpr char kKernelName[] = "Image";
constexpr char kInitramfsName[] = "guest.cpio";

std::string ShellPath(const std::string& folder, const std::string& guest_name) {
  return folder + "/rt/" + guest_name + "-test.sock";
}

// A short-lived connection: it survives no libvirtd that a test restarts.
struct Domain {
  virConnectPtr link = nullptr;
  virDomainPtr domain = nullptr;
  explicit Domain(const std::string& uri) : link(virConnectOpen(uri.c_str())) {}
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;
  ~Domain() {
    if (domain != nullptr) virDomainFree(domain);
    if (link != nullptr) virConnectClose(link);
  }
  bool Find(const std::string& name) {
    domain = link != nullptr ? virDomainLookupByName(link, name.c_str()) : nullptr;
    return domain != nullptr;
  }
};

tl::unexpected<Error> FailLibvirt(const std::string& what) {
  const char* reason = virGetLastErrorMessage();
  return Fail(ErrorCode::kIo, what + ": " + (reason != nullptr ? reason : "no reason"));
}

}  // namespace

TcgGuest::TcgGuest(PrivateLibvirtd& libvirtd, GuestPlan plan)
    : plan_(std::move(plan)),
      folder_(libvirtd.folder()),
      uri_(libvirtd.uri()),
      shell_(ShellPath(folder_, plan_.name)) {}

std::string TcgGuest::DomainXml() const {
  const auto channel = [this](const char* end, const char* port) {
    return fmt::format(
        "<channel type='unix'><source mode='bind' path='{}/rt/{}-{}.sock'/>"
        "<target type='virtio' name='{}'/></channel>",
        folder_, plan_.name, end, port);
  };
  std::string channels = "<controller type='virtio-serial' index='0'/>" +
                         channel("agent", "org.seaward.agent.0") +
                         channel("test", "org.seaward.test.0");
  for (const std::string& port : plan_.more_ports) channels += channel(port.c_str(), port.c_str());
  if (!plan_.ports) channels.clear();
  const Machine& machine = MachineOf(plan_);
  return fmt::format(
      "<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory unit='MiB'>{}</memory>"
      "<vcpu>1</vcpu>{}<features>{}{}</features>"
      "<cpu mode='custom' match='exact'><model fallback='forbid'>{}</model></cpu>"
      "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>"
      "<on_crash>restart</on_crash><devices><emulator>{}</emulator>"
      "<controller type='usb' model='none'/>{}"
      "<serial type='file'><source path='{}'/></serial>{}<memballoon model='none'/>"
      "</devices></domain>",
      plan_.name, FormatUuid(plan_.uuid), plan_.memory_mib, OsXml(), machine.features,
      plan_.uefi ? machine.uefi_features : "", plan_.cpu, machine.emulator, channels,
      console_path(), DiskXml());
}

std::string TcgGuest::OsXml() const {
  const Machine& machine = MachineOf(plan_);
  std::string os = fmt::format("<os><type {}>hvm</type>", machine.type);
  if (plan_.uefi) {
    os += fmt::format("<loader readonly='yes' type='pflash'>{}</loader><nvram>{}</nvram>",
                      machine.firmware, variables_path());
  }
  if (!plan_.boot_from_disk) {
    os += fmt::format("<kernel>{}</kernel><initrd>{}</initrd><cmdline>{}</cmdline>", kernel_,
                      initramfs_, CommandLine(plan_));
  }
  return os + "</os>";
}

std::string TcgGuest::DiskXml() const {
  const auto disk = [](const char* format, const std::string& path, const char* target) {
    return fmt::format(
        "<disk type='file' device='disk'><driver name='qemu' type='{}'/><source file='{}'/>"
        "<target dev='{}' bus='virtio'/></disk>",
        format, path, target);
  };
  std::string disks;
  if (!disk_.empty()) disks += disk("raw", disk_, "vda");
  if (plan_.snapshot_disk)
    disks += disk("qcow2", SnapshotDiskPath(), disk_.empty() ? "vda" : "vdb");
  return disks;
}

std::string TcgGuest::CommandLine(const GuestPlan& plan) {
  return fmt::format("{} loglevel={} panic=-1 {}{}{} {}", MachineOf(plan).command_line,
                     plan.loglevel, plan.early ? "seaward.early=1 " : "",
                     plan.agent ? "seaward.agent=1 " : "", plan.frames ? "seaward.frames=1" : "",
                     plan.more_words);
}

Status TcgGuest::MakeSnapshotDisk() const {
  auto made =
      RunToEnd({"qemu-img", "create", "-q", "-f", "qcow2", SnapshotDiskPath(), "2G"}, kToolLimit);
  if (!made) return Forward(made);
  if (made->end.exit_code != 0) return Fail(ErrorCode::kIo, "qemu-img: " + made->err);
  std::filesystem::permissions(SnapshotDiskPath(),
                               std::filesystem::perms(0666));  // libvirtd is nobody
  return {};
}

Result<std::unique_ptr<TcgGuest>> TcgGuest::Start(PrivateLibvirtd& libvirtd,
                                                  const GuestImages& images,
                                                  const GuestPlan& plan) {
  std::unique_ptr<TcgGuest> self(new TcgGuest(libvirtd, plan));
  if (auto running = self->Launch(libvirtd, images); !running) return Forward(running);
  if (!plan.ports) return self;
  auto boot = self->shell_.WaitForBoot("", self->BootLimit());
  if (!boot) return Forward(boot);
  self->boot_id_ = *boot;
  return self;
}

Status TcgGuest::Launch(PrivateLibvirtd& libvirtd, const GuestImages& images) {
  if (auto staged = StageFiles(libvirtd, images); !staged) return staged;
  if (plan_.uefi)
    if (auto staged = StageVariables(); !staged) return staged;
  if (plan_.snapshot_disk)
    if (auto made = MakeSnapshotDisk(); !made) return made;
  return CreateDomain();
}

Status TcgGuest::StageFiles(PrivateLibvirtd& libvirtd, const GuestImages& images) {
  auto kernel = libvirtd.Stage(images.kernel, kKernelName);
  if (!kernel) return Forward(kernel);
  auto initramfs = libvirtd.Stage(images.initramfs, kInitramfsName);
  if (!initramfs) return Forward(initramfs);
  kernel_ = *kernel;
  initramfs_ = *initramfs;
  if (plan_.disk.empty()) return {};
  auto disk = libvirtd.Stage(plan_.disk, plan_.name + "-disk.img");
  if (!disk) return Forward(disk);
  disk_ = *disk;
  ::chmod(disk_.c_str(), 0666);
  return {};
}

Status TcgGuest::StageVariables() {
  std::error_code failed;
  std::filesystem::copy_file(MachineOf(plan_).variables, variables_path(),
                             std::filesystem::copy_options::overwrite_existing, failed);
  if (failed) return FailErrno(failed.value(), variables_path());
  ::chmod(variables_path().c_str(), 0666);
  return {};
}

Status TcgGuest::CreateDomain() {
  Domain d(uri_);
  if (d.link == nullptr) return FailLibvirt("connect");
  d.domain = virDomainCreateXML(d.link, DomainXml().c_str(), 0);
  if (d.domain == nullptr) return FailLibvirt("create " + plan_.name);
  return {};
}

Status TcgGuest::PowerCycle(const NextLife& next) {
  {
    Domain d(uri_);
    if (!d.Find(plan_.name) || virDomainDestroy(d.domain) != 0) return FailLibvirt("destroy");
  }
  plan_.uuid = next.uuid.value_or(plan_.uuid);
  if (next.forget_variables)
    if (auto staged = StageVariables(); !staged) return staged;
  if (auto created = CreateDomain(); !created) return created;
  return AwaitNextBoot();
}

TcgGuest::~TcgGuest() {
  Destroy();
}

void TcgGuest::Destroy() {
  Domain d(uri_);
  if (d.Find(plan_.name)) virDomainDestroy(d.domain);
}

Status TcgGuest::Pause() {
  Domain d(uri_);
  if (!d.Find(plan_.name) || virDomainSuspend(d.domain) != 0) return FailLibvirt("suspend");
  return {};
}

Status TcgGuest::Resume() {
  Domain d(uri_);
  if (!d.Find(plan_.name) || virDomainResume(d.domain) != 0) return FailLibvirt("resume");
  return {};
}

Result<pid_t> TcgGuest::QemuPid() const {
  const std::string path = folder_ + "/rt/libvirt/qemu/run/" + plan_.name + ".pid";
  auto text = ReadTextFile(path, 64);
  if (!text) return Forward(text);
  const auto pid = static_cast<pid_t>(std::strtol(text->c_str(), nullptr, 10));
  if (pid <= 1) return Fail(ErrorCode::kNotFound, path + " names no process");
  return pid;
}

Status TcgGuest::KillVmm() {
  auto pid = QemuPid();
  if (!pid) return Forward(pid);
  if (::kill(*pid, SIGKILL) != 0) return FailErrno(errno, "kill QEMU");
  const bool gone = WaitUntil([this] { return !Domain(uri_).Find(plan_.name); }, kToolLimit);
  if (!gone) return Fail(ErrorCode::kTimeout, "libvirt holds on to " + plan_.name);
  return {};
}

Status TcgGuest::Reset() {
  Domain d(uri_);
  if (!d.Find(plan_.name) || virDomainReset(d.domain, 0) != 0) return FailLibvirt("reset");
  return AwaitNextBoot();
}

std::chrono::milliseconds TcgGuest::BootLimit() const {
  return plan_.boot_limit.value_or(plan_.uefi ? kUefiBootLimit : kBootLimit);
}

Status TcgGuest::AwaitNextBoot() {
  auto boot = shell_.WaitForBoot(boot_id_, BootLimit());
  if (!boot) return Forward(boot);
  boot_id_ = *boot;
  return {};
}

Status TcgGuest::RebootFromInside() {
  if (auto asked = shell_.Ask("reboot"); !asked) return Forward(asked);
  return AwaitNextBoot();
}

Status TcgGuest::AwaitSameBoot() {
  auto boot = shell_.WaitForBoot("", BootLimit());
  if (!boot) return Forward(boot);
  if (*boot != boot_id_) return Fail(ErrorCode::kIo, "the guest booted meanwhile");
  return {};
}

Status TcgGuest::Save(const std::string& image) {
  Domain d(uri_);
  if (!d.Find(plan_.name) || virDomainSave(d.domain, image.c_str()) != 0)
    return FailLibvirt("save to " + image);
  return {};
}

Status TcgGuest::Restore(const std::string& image) {
  const Domain d(uri_);
  if (d.link == nullptr || virDomainRestore(d.link, image.c_str()) != 0)
    return FailLibvirt("restore from " + image);
  return AwaitSameBoot();
}

Result<std::string> TcgGuest::AskMonitor(const std::string& line) {
  Domain d(uri_);
  char* printed = nullptr;
  if (!d.Find(plan_.name) || virDomainQemuMonitorCommand(d.domain, line.c_str(), &printed,
                                                         VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP) != 0)
    return FailLibvirt(line);
  std::string text = printed;
  std::free(printed);
  return text;
}

Status TcgGuest::MigrateTo(PrivateLibvirtd& other) {
  Domain here(uri_);
  const Domain there(other.uri());
  if (!here.Find(plan_.name) || there.link == nullptr) return FailLibvirt("migrate");
  // Both ends are on one machine: the same places in the other's folder.
  char* xml = virDomainGetXMLDesc(here.domain, VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_SECURE);
  if (xml == nullptr) return FailLibvirt("migrate");
  std::string moved = xml;
  std::free(xml);
  for (std::size_t at = 0; (at = moved.find(folder_, at)) != std::string::npos;
       at += other.folder().size())
    moved.replace(at, folder_.size(), other.folder());
  for (const char* image : {kKernelName, kInitramfsName})
    if (auto staged = other.Stage(folder_ + "/" + image, image); !staged) return Forward(staged);

  const std::string way = "unix://" + other.folder() + "/rt/migration.sock";
  virTypedParameterPtr parameters = nullptr;
  int count = 0, room = 0;
  virTypedParamsAddString(&parameters, &count, &room, VIR_MIGRATE_PARAM_URI, way.c_str());
  virTypedParamsAddString(&parameters, &count, &room, VIR_MIGRATE_PARAM_DEST_XML, moved.c_str());
  const virDomainPtr arrived =
      virDomainMigrate3(here.domain, there.link, parameters, static_cast<unsigned>(count),
                        VIR_MIGRATE_LIVE | VIR_MIGRATE_UNSAFE);
  virTypedParamsFree(parameters, count);
  if (arrived == nullptr) return FailLibvirt("migrate");
  virDomainFree(arrived);
  folder_ = other.folder();
  uri_ = other.uri();
  kernel_ = folder_ + "/" + kKernelName;
  initramfs_ = folder_ + "/" + kInitramfsName;
  shell_.Follow(ShellPath(folder_, plan_.name));
  return AwaitSameBoot();
}

Result<std::vector<std::string>> TcgGuest::FrameFlags(GuestPhysAddr page) {
  auto reply = shell_.Ask("kpageflags", {{"at", FormatAddress(page.value)}});
  if (!reply) return Forward(reply);
  return (*reply)["names"].get<std::vector<std::string>>();
}

Result<GuestPhysAddr> TcgGuest::FindInIomem(const std::string& what) {
  auto reply = shell_.Ask("read", {{"path", "/proc/iomem"}});
  if (!reply) return Forward(reply);
  const auto found = testing::FindInIomem((*reply)["text"].get<std::string>(), what);
  if (found) return found->start();
  return Fail(ErrorCode::kNotFound, what + " in /proc/iomem");
}

Result<GuestPhysAddr> TcgGuest::PickFreePage() {
  auto reply = shell_.Ask("free_frames");
  if (!reply) return Forward(reply);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  for (const auto& range : (*reply)["ranges"]) {
    auto begin = ParseAddress(range[0].get<std::string>());
    auto end = ParseAddress(range[1].get<std::string>());
    if (!begin || !end || *end - *begin <= last - first) continue;
    first = *begin;
    last = *end;
  }
  if (last == 0) return Fail(ErrorCode::kNotFound, "no free frames");
  // Far apart, so that a split of one buddy block says nothing about the next pick; and never the
  // same again while earlier picks are still free.
  constexpr std::uint64_t kApart = 64 * kPoisonGranule, kPicksAtATime = 8;
  const std::uint64_t middle = first + (last + 1 - first) / 2 + picked_++ % kPicksAtATime * kApart;
  if (middle >= last) return Fail(ErrorCode::kNotFound, "no free frames left to pick");
  return ByteRange::Granule({middle}).start();
}

Result<TcgGuest::Handout> TcgGuest::TakeAllMemory(GuestPhysAddr page) {
  auto reply = shell_.Ask("hog", {{"wanted", {FormatAddress(page.value)}}}, kHogLimit);
  if (!reply) return Forward(reply);
  return Handout{!(*reply)["found"].empty(), (*reply)["pages"].get<std::uint64_t>()};
}

}  // namespace seaward::testing
