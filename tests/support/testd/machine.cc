#include "tests/support/testd/machine.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

#include "base/file_io.h"
#include "tests/support/testd/children.h"

namespace seaward::testd {
namespace {

constexpr char kAgent[] = "/usr/sbin/seaward-agent";
constexpr char kAgentConfig[] = "/etc/seaward/agent.yaml";
constexpr char kConsole[] = "/dev/console";

struct FirstMount {
  const char* type;
  const char* folder;
};
constexpr FirstMount kMounts[] = {{"proc", "/proc"},
                                  {"sysfs", "/sys"},
                                  {"devtmpfs", "/dev"},
                                  {"tmpfs", "/run"},
                                  {"tmpfs", "/tmp"},
                                  {"tmpfs", "/var"},
                                  {"debugfs", "/sys/kernel/debug"}};

std::vector<std::string> AgentWords(const char* verb) {
  std::vector<std::string> words{kAgent, verb};
  if (::access(kAgentConfig, R_OK) == 0) words.insert(words.end(), {"--config", kAgentConfig});
  return words;
}

}  // namespace

Status Mount(const std::string& type, const std::string& source, const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (::mount(source.c_str(), folder.c_str(), type.c_str(), 0, nullptr) != 0 && errno != EBUSY)
    return FailErrno(errno, source + " on " + folder);
  return {};
}

BootWishes ParseBootWishes(const std::string& command_line) {
  BootWishes wishes;
  std::istringstream words(command_line);
  for (std::string word; words >> word;) {
    if (word == "seaward.early=1") wishes.early = true;
    if (word == "seaward.agent=1") wishes.agent = true;
    if (word == "seaward.frames=1") wishes.frames = true;
    constexpr std::string_view kBare = "seaward.bare=";
    if (word.starts_with(kBare)) wishes.bare = ParseBareList(word.substr(kBare.size()));
    constexpr std::string_view kPort = "seaward.test_port=";
    if (word.starts_with(kPort)) wishes.port = word.substr(kPort.size());
  }
  return wishes;
}

Status MountVariables() {
  constexpr char kFolder[] = "/sys/firmware/efi/efivars";
  if (::access(kFolder, F_OK) != 0) return {};
  return Mount("efivarfs", "efivarfs", kFolder);
}

Status PrepareMachine() {
  for (const FirstMount& mount : kMounts) {
    ::mkdir(mount.folder, 0755);
    if (::mount(mount.type, mount.folder, mount.type, 0, nullptr) != 0 && errno != EBUSY) {
      return FailErrno(errno, mount.folder);
    }
  }
  for (const char* folder : {"/var/lib", "/run/seaward", "/var/lib/seaward"}) {
    ::mkdir(folder, 0755);
  }
  const int console = ::open(kConsole, O_RDWR | O_NOCTTY);
  for (const int stdio : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (console >= 0 && console != stdio) ::dup2(console, stdio);
  }
  if (console > STDERR_FILENO) ::close(console);
  return {};
}

Result<pid_t> StartAgent() {
  return Spawn({AgentWords("run"), {}, kConsole});
}

Result<int> RunEarlyStage(std::string& output) {
  // The stage bounds itself to well under a second; this only keeps a broken one from hiding.
  auto finished = Run({AgentWords("early"), {}, {}}, std::chrono::seconds(60));
  if (!finished) return Forward(finished);
  output = finished->output;
  if (!finished->status) return Fail(ErrorCode::kTimeout, "the early stage hangs");
  if (finished->status->signal != 0) return 128 + finished->status->signal;
  return finished->status->code;
}

Status PressSysrq(char key) {
  auto file = OpenFile("/proc/sysrq-trigger", O_WRONLY);
  if (!file) return Forward(file);
  if (::write(file->get(), &key, 1) != 1) return FailErrno(errno, "/proc/sysrq-trigger");
  return {};
}

Status Reboot() {
  ::sync();
  if (::reboot(RB_AUTOBOOT) != 0) return FailErrno(errno, "reboot");
  return {};
}

Status PowerOff() {
  ::sync();
  if (::reboot(RB_POWER_OFF) != 0) return FailErrno(errno, "reboot");
  return {};
}

}  // namespace seaward::testd
