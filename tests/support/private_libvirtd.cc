#include "tests/support/private_libvirtd.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/uuid.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr auto kAnswerLimit = std::chrono::seconds(60);  // two busy cores, first start
constexpr auto kStopLimit = std::chrono::seconds(10);

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

// libvirtd asks every emulator what it can do (seconds); the answers are good for other tests.
std::string CapabilitiesCache() {
  const char* named = std::getenv("SEAWARD_CACHE");
  const char* home = std::getenv("HOME");
  return (named != nullptr ? std::string(named)
                           : std::string(home != nullptr ? home : "/tmp") + "/.cache/seaward") +
         "/libvirt-capabilities";
}

void CopyFolder(const std::string& from, const std::string& to) {
  std::error_code ignored;  // a cache: without it things are slower
  fs::create_directories(to, ignored);
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::overwrite_existing, ignored);
}

void OwnByNobody(const std::string& folder) {
  if (::geteuid() != 0) return;
  const auto own = [](const fs::path& path) {
    return ::lchown(path.c_str(), kNobody, kNobody) == 0;
  };
  own(folder);
  for (const auto& entry : fs::recursive_directory_iterator(folder)) own(entry.path());
}

// The run folder's *.pid files name the domains' processes. `cat` ends when the test has ended.
constexpr char kUndertaker[] =
    "cat >/dev/null; for f in \"$1\"/rt/libvirt/qemu/run/*.pid; do "
    "[ -e \"$f\" ] && kill -9 \"$(cat \"$f\")\"; done; rm -rf \"$1\"";

}  // namespace

Result<std::unique_ptr<PrivateLibvirtd>> PrivateLibvirtd::Start() {
  // libvirt prints every error to stderr by default; ours come back as values.
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  std::unique_ptr<PrivateLibvirtd> self(new PrivateLibvirtd());
  if (auto ready = self->Prepare(); !ready) return Forward(ready);
  if (auto watched = self->StartUndertaker(); !watched) return Forward(watched);
  if (auto running = self->Launch(); !running) return Forward(running);
  return self;
}

Status PrivateLibvirtd::Prepare() {
  for (const char* name :
       {"rt", "cfg/libvirt", "cache/libvirt/qemu/capabilities", "data", "state"}) {
    fs::create_directories(dir_ / name);
  }
  ::chmod(folder().c_str(), 0755);
  ::chmod((dir_ / "rt").c_str(), 0700);
  WriteText(dir_ / "cfg/libvirt/qemu.conf",
            "security_driver = \"none\"\ncgroup_controllers = [ ]\nnamespaces = [ ]\n"
            "stdio_handler = \"file\"\n");
  WriteText(dir_ / "cfg/libvirt/libvirtd.conf",
            "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nlog_outputs = \"3:file:" + log() +
                // A host of its own: none migrates to itself.
                "\"\nhost_uuid = \"" + FormatUuid(RandomUuid()) + "\"\n");
  CopyFolder(CapabilitiesCache(), dir_ / "cache/libvirt/qemu/capabilities");
  OwnByNobody(folder());
  return {};
}

Status PrivateLibvirtd::StartUndertaker() {
  // Not a ChildProcess in the usual sense: it has to outlive a killed test, so no parent-death
  // signal reaches it (setsid forks it away from setpriv's).
  auto started = ChildProcess::Start(
      {.argv = {"setsid", "--fork", "sh", "-c", kUndertaker, "sh", folder()}, .keep_stdin = true});
  if (!started) return Forward(started);
  undertaker_ = std::move(*started);
  return {};
}

Status PrivateLibvirtd::Launch() {
  const std::string d = folder();
  auto started = ChildProcess::Start(
      {.argv = {"libvirtd", "-p", d + "/rt/pid"},
       .environment = {"HOME=" + d, "XDG_RUNTIME_DIR=" + d + "/rt", "XDG_CONFIG_HOME=" + d + "/cfg",
                       "XDG_CACHE_HOME=" + d + "/cache", "XDG_DATA_HOME=" + d + "/data",
                       "XDG_STATE_HOME=" + d + "/state"},
       .log = d + "/libvirtd.out",
       .as_nobody = true});
  if (!started) return Forward(started);
  daemon_ = std::move(*started);
  const bool answers = WaitUntil(
      [this] {
        virConnectPtr link = virConnectOpen(uri().c_str());
        if (link != nullptr) virConnectClose(link);
        return link != nullptr;
      },
      kAnswerLimit);
  if (!answers) return Fail(ErrorCode::kTimeout, "libvirtd does not answer");
  return {};
}

Status PrivateLibvirtd::Restart(int kill_signal) {
  daemon_.Signal(kill_signal);
  if (!daemon_.Wait(kStopLimit)) return Fail(ErrorCode::kTimeout, "libvirtd does not end");
  return Launch();
}

Result<std::string> PrivateLibvirtd::Stage(const std::string& file, const std::string& name) const {
  const std::string staged = dir_ / name;
  std::error_code failed;
  fs::remove(staged, failed);
  fs::copy_file(file, staged, failed);
  if (failed) return FailErrno(failed.value(), staged);
  ::chmod(staged.c_str(), 0644);
  return staged;
}

PrivateLibvirtd::~PrivateLibvirtd() {
  daemon_.Stop(kStopLimit);
  CopyFolder(dir_ / "cache/libvirt/qemu/capabilities", CapabilitiesCache());
  undertaker_.CloseStdin();
  WaitUntil([this] { return !fs::exists(folder()); }, kStopLimit);
}

}  // namespace seaward::testing
