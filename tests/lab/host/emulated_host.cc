#include "tests/lab/host/emulated_host.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace seaward::lab {
namespace {

using std::chrono::milliseconds;

// Under load the emulated boot takes many times its usual three seconds.
constexpr std::chrono::seconds kBootLimit{180};
constexpr std::chrono::seconds kShortLimit{60};
constexpr off_t kRamBytes = off_t{2} << 30;  // the -m and size= below
constexpr char kCommandPort[] = "org.seaward.test.0";
constexpr char kTracePort[] = "org.seaward.trace.0";
constexpr char kConsolePort[] = "org.seaward.console.0";
constexpr char kFilePort[] = "org.seaward.file.0";
constexpr char kPassedOn[] = "passed-on";  // what comes through the file port

// The kernel's own view, independent of every line of ours: each call of the function that handles
// a guest's external abort (it then asks firmware, and leaves to userspace), and each exit to
// userspace with reason 41, KVM_EXIT_ARM_SEA. Field offsets come from the kernel's BTF.
constexpr char kObserverScript[] = R"(
cd /sys/kernel/tracing
echo mono > trace_clock
echo 'p:seaward/sea kvm_handle_guest_sea esr=vcpu->arch.fault.esr_el2:x64 far=vcpu->arch.fault.far_el2:x64 hpfar=vcpu->arch.fault.hpfar_el2:x64' > kprobe_events || exit 1
echo 1 > events/seaward/sea/enable || exit 1
echo 'reason==41' > events/kvm/kvm_userspace_exit/filter || exit 1
echo 1 > events/kvm/kvm_userspace_exit/enable
)";

constexpr char kFindPort[] =
    "for p in /sys/class/virtio-ports/*; do "
    "if [ \"$(cat $p/name)\" = {} ]; then port=/dev/${{p##*/}}; fi; done; ";

}  // namespace

Result<std::unique_ptr<EmulatedHost>> EmulatedHost::Start(const LabImages& images,
                                                          const std::string& work,
                                                          Transcript& transcript) {
  std::unique_ptr<EmulatedHost> host(new EmulatedHost(images, work, transcript));
  for (const char* stale : {kHostConsole, kGuestConsole, kRawTrace, kLedger, kPassedOn})
    std::filesystem::remove(host->WorkPath(stale));
  if (auto booted = host->Boot(); !booted) return Forward(booted);
  if (auto observed = host->StartObserver(); !observed) return Forward(observed);
  return host;
}

std::string EmulatedHost::ram_file() const {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), ram_.get());
}

std::vector<std::string> EmulatedHost::QemuWords() const {
  const auto disk = [](const std::string& path, const std::string& id) {
    return std::vector<std::string>{
        "-drive", fmt::format("file={},format=raw,if=none,id={},readonly=on", path, id), "-device",
        "virtio-blk-pci,drive=" + id};
  };
  const auto port = [](const std::string& chardev, const std::string& id, const std::string& name) {
    return std::vector<std::string>{"-chardev", fmt::format("{},id={}", chardev, id), "-device",
                                    fmt::format("virtserialport,chardev={},name={}", id, name)};
  };
  std::vector<std::string> words = {
      images_.qemu, "-M", "virt,virtualization=on,gic-version=3,memory-backend=ram", "-object",
      fmt::format("memory-backend-file,id=ram,size=2G,mem-path={},share=on", ram_file()), "-m",
      "2048", "-smp", "2", "-accel", "tcg,thread=multi", "-cpu", images_.host_cpu, "-nodefaults",
      "-display", "none", "-nic", "none", "-no-reboot", "-serial", "file:" + WorkPath(kHostConsole),
      "-gdb", fmt::format("unix:{},server=on,wait=off", gdb_socket()), "-kernel", images_.kernel,
      "-initrd", images_.initramfs,
      // 4 KiB backing pages: a poisoned page is one stage-2 descriptor
      "-append", "console=ttyAMA0 loglevel=4 panic=-1 transparent_hugepage=never", "-device",
      "virtio-serial-pci"};
  if (!images_.qemu_data.empty()) words.insert(words.end(), {"-L", images_.qemu_data});
  for (const auto& part :
       {disk(images_.root, "root"), disk(images_.disk, "ours"),
        port(fmt::format("socket,path={},server=on,wait=off", sockets_ / "command.sock"), "command",
             kCommandPort),
        port("file,path=" + WorkPath(kRawTrace), "trace", kTracePort),
        port("file,path=" + WorkPath(kGuestConsole), "console", kConsolePort),
        port("file,append=on,path=" + WorkPath(kPassedOn), "file", kFilePort)})
    words.insert(words.end(), part.begin(), part.end());
  return words;
}

Status EmulatedHost::Boot() {
  ram_.Reset(::memfd_create("seaward-lab", MFD_CLOEXEC));
  if (!ram_.valid() || ::ftruncate(ram_.get(), kRamBytes) != 0)
    return FailErrno(errno, "memory of the emulated host");
  auto qemu = testing::ChildProcess::Start({.argv = QemuWords(), .log = WorkPath("host-qemu.log")});
  if (!qemu) return Forward(qemu);
  qemu_ = std::move(*qemu);
  auto up = commands_.WaitForBoot("", kBootLimit);
  if (!up)
    return Fail(ErrorCode::kTimeout,
                "the emulated host does not come up; see " + WorkPath(kHostConsole));
  auto kernel = Shell("uname -r", kShortLimit);
  if (!kernel) return Forward(kernel);
  kernel_ = kernel->substr(0, kernel->find('\n'));
  return {};
}

Status EmulatedHost::StartObserver() {
  auto set = Shell(kObserverScript, kShortLimit);
  if (!set) return Fail(ErrorCode::kUnsupported, "the kernel's trace: " + set.error().context);
  if (auto streamed = StreamTo(kTracePort, "cat /sys/kernel/tracing/trace_pipe"); !streamed)
    return streamed;
  // Also nobody, as whom QEMU runs, opens the console file.
  auto made = Shell(
      "mkdir -p /run/guest; : > /run/guest/console.log; "
      "chown nobody:nogroup /run/guest /run/guest/console.log",
      kShortLimit);
  if (!made) return Forward(made);
  return StreamTo(kConsolePort, "tail -n +1 -f /run/guest/console.log");
}

Status EmulatedHost::StreamTo(const std::string& port, const std::string& program) {
  auto pid = Spawn(
      {"/bin/busybox", "sh", "-c", fmt::format(kFindPort, port) + "exec " + program + " > $port"},
      {}, "/dev/console");
  if (!pid) return Forward(pid);
  return {};
}

Result<std::string> EmulatedHost::Shell(const std::string& script, milliseconds limit) {
  auto reply = commands_.Ask("exec", {{"argv", {"/bin/busybox", "sh", "-c", script}}}, limit);
  if (!reply) return Forward(reply);
  std::string output = reply->value("output", "");
  if (reply->value("running", false))
    return Fail(ErrorCode::kTimeout, fmt::format("\"{}\" still runs: {}", script, output));
  if (reply->value("exit", -1) != 0 || reply->value("signal", 0) != 0)
    return Fail(ErrorCode::kIo, fmt::format("\"{}\" failed: {}", script, output));
  return output;
}

Result<pid_t> EmulatedHost::Spawn(const std::vector<std::string>& argv,
                                  const std::vector<std::string>& environment,
                                  const std::string& log) {
  auto reply =
      commands_.Ask("spawn", {{"argv", argv}, {"env", environment}, {"output", log}}, kShortLimit);
  if (!reply) return Forward(reply);
  return reply->at("pid").get<pid_t>();
}

Status EmulatedHost::WriteFile(const std::string& path, const std::string& text) {
  auto reply =
      commands_.Ask("write", {{"path", path}, {"text", text}, {"create", true}}, kShortLimit);
  if (!reply) return Forward(reply);
  return {};
}

Status EmulatedHost::Fetch(const std::string& path, const std::string& name) {
  std::filesystem::resize_file(WorkPath(kPassedOn), 0);
  auto size = Shell(fmt::format(kFindPort, kFilePort) +
                        fmt::format("cat {} > $port && stat -c %s {}", path, path),
                    kShortLimit);
  if (!size) return Forward(size);
  const auto passed_on = WorkPath(kPassedOn);
  if (std::filesystem::file_size(passed_on) != std::stoull(*size))
    return Fail(ErrorCode::kIo, path + " did not come through whole");
  std::filesystem::copy_file(passed_on, WorkPath(name),
                             std::filesystem::copy_options::overwrite_existing);
  return {};
}

}  // namespace seaward::lab
