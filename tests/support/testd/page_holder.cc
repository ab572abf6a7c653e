#include "tests/support/testd/page_holder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "base/file_io.h"
#include "tests/support/testd/frames.h"
#include "tests/support/testd/page_kinds.h"

namespace seaward::testd {
namespace {

constexpr std::uint64_t kPages = 8;
constexpr std::uint64_t kIndex = 3;  // in the middle of what is mapped
constexpr std::uint64_t kTables = 48;
constexpr char kSignalWords[] = "signal %d %d";

int tell_fd = -1;

// Only calls that are safe in a signal handler; snprintf of two numbers is, in the C library here.
void OnBusError(int number, siginfo_t* info, void*) {
  char words[64];
  const int length = std::snprintf(words, sizeof(words), kSignalWords, info->si_code,
                                   static_cast<int>(info->si_addr_lsb));
  ::send(tell_fd, words, static_cast<std::size_t>(length), MSG_NOSIGNAL);
  // Told ahead of any touch: the process may go on without the page.
  if (info->si_code == BUS_MCEERR_AO) return;
  ::signal(number, SIG_DFL);
  ::kill(::getpid(), number);
}

void Say(int fd, const std::string& text) {
  ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

std::string Hear(int fd) {
  char packet[64];
  ssize_t n = 0;
  do n = ::recv(fd, packet, sizeof(packet), 0);
  while (n < 0 && errno == EINTR);
  return n > 0 ? std::string(packet, static_cast<std::size_t>(n)) : std::string();
}

void Fill(std::byte* area) {
  for (std::uint64_t page = 0; page < kPages; ++page)
    std::memset(area + page * PageSize(), static_cast<int>(0x50 + page), PageSize());
}

bool Holds(const std::byte* page) {
  return std::all_of(page, page + PageSize(),
                     [](std::byte b) { return b == std::byte{0x50 + kIndex}; });
}

std::vector<std::uint64_t> TableFrames() {
  std::vector<std::uint64_t> frames;
  auto ram = SystemRam();
  if (!ram) return frames;
  for (const ByteRange& range : *ram) {
    const PageFrame first = FrameAt(range.start());
    auto flags = ReadFlags(first, range.length() / PageSize());
    for (std::size_t i = 0; flags && i < flags->size(); ++i)
      if (Has((*flags)[i], FrameFlag::kPageTable)) frames.push_back(first.number + i);
  }
  return frames;
}

// Touches one page below each of many tables and tells the frames of those that were made for it.
void HoldTables(int fd) {
  const std::uint64_t span = PageSize() / sizeof(std::uint64_t) * PageSize();  // one table's
  void* area = ::mmap(nullptr, kTables * span, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return Say(fd, "none");
  ::madvise(area, kTables * span, MADV_NOHUGEPAGE);
  const std::vector<std::uint64_t> before = TableFrames();
  for (std::uint64_t i = 0; i < kTables; ++i)
    static_cast<volatile std::byte*>(area)[i * span] = std::byte{1};
  std::string words = "0";
  for (const std::uint64_t frame : TableFrames())
    if (!std::binary_search(before.begin(), before.end(), frame))
      words += " " + std::to_string(AddressOf({frame}).value);
  Say(fd, words == "0" ? "none" : words);
  while (!Hear(fd).empty()) {
  }
}

// Of an unmapped file: what is in the page cache, or on the disk.
std::string CheckFile(int file) {
  std::vector<std::byte> page(PageSize());
  const ssize_t n =
      ::pread(file, page.data(), page.size(), static_cast<off_t>(kIndex * PageSize()));
  if (n != static_cast<ssize_t>(page.size())) return "changed";
  return Holds(page.data()) ? "intact" : "changed";
}

void Serve(int fd, const KindOfMemory& memory, bool mapped) {
  std::byte* page = memory.area + kIndex * PageSize();
  for (std::string verb = Hear(fd); !verb.empty(); verb = Hear(fd)) {
    if (verb == "where") {
      auto frame = FrameOf(page);
      Say(fd, frame && *frame ? std::to_string(AddressOf(**frame).value) : "0");
    } else if (!mapped) {
      Say(fd, CheckFile(memory.file));
    } else {
      Say(fd, Holds(page) ? "intact" : "changed");
    }
  }
}

void PrepareSignals(int fd, const std::string& mce_kill, bool handles) {
  if (mce_kill != "-")
    ::prctl(PR_MCE_KILL, PR_MCE_KILL_SET,
            mce_kill == "early" ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0, 0);
  tell_fd = fd;
  if (!handles) return;
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

void HolderBody(int fd, const std::string& argument) {
  std::string kind;
  std::string state;
  std::string mce_kill;
  bool handles = false;
  std::istringstream(argument) >> kind >> state >> mce_kill >> handles;
  PrepareSignals(fd, mce_kill, handles);
  if (kind == "tables") return HoldTables(fd);
  const std::uint64_t bytes = kPages * PageSize();
  auto memory = MapKind(kind, bytes);
  if (!memory) return Say(fd, "none " + memory.error().Text());
  Fill(memory->area);
  if (state != "dirty") {
    if (auto clean = MakeClean(*memory, bytes); !clean)
      return Say(fd, "none " + clean.error().Text());
  }
  auto frame = FrameOf(memory->area + kIndex * PageSize());
  if (!frame || !*frame) return Say(fd, "none no frame");
  if (state == "unmapped") ::munmap(memory->area, bytes);
  Say(fd, std::to_string(AddressOf(**frame).value));
  Serve(fd, *memory, state != "unmapped");
}

}  // namespace

Result<HeldPage> PageHolders::Start(const HoldPlan& plan, std::chrono::milliseconds limit) {
  if (plan.kind == "file") {
    if (auto mounted = MountDisk(); !mounted) return Forward(mounted);
  }
  auto worker = StartWorker(HolderBody, plan.kind + " " + plan.state + " " +
                                            (plan.mce_kill.empty() ? "-" : plan.mce_kill) + " " +
                                            (plan.handles ? "1" : "0"));
  if (!worker) return Forward(worker);
  auto answer = ReceiveFrom(*worker, limit);
  if (!answer || answer->starts_with("none")) {
    KillGroup(worker->pid);
    if (!answer) return Forward(answer);
    return Fail(ErrorCode::kUnsupported, *answer);
  }
  HeldPage held{worker->pid, {}, {}};
  std::istringstream words(*answer);
  words >> held.page.value;
  for (std::uint64_t other = 0; words >> other;) held.others.push_back({other});
  workers_[held.pid] = std::move(*worker);
  return held;
}

Result<PageHolders::Check> PageHolders::CheckPage(pid_t pid, std::chrono::milliseconds limit) {
  const auto at = workers_.find(pid);
  if (at == workers_.end()) return Fail(ErrorCode::kNotFound, "no such holder");
  if (auto sent = SendTo(at->second, "check"); !sent) return Check{"died", {}};
  auto answer = ReceiveFrom(at->second, limit);
  if (!answer && answer.error().code == ErrorCode::kClosed) return Check{"died", {}};
  if (!answer) return Forward(answer);
  BusError bus;
  if (std::sscanf(answer->c_str(), kSignalWords, &bus.code, &bus.lsb) == 2)
    return Check{"signalled", bus};
  return Check{*answer, {}};
}

Result<GuestPhysAddr> PageHolders::WhereIs(pid_t pid, std::chrono::milliseconds limit) {
  const auto at = workers_.find(pid);
  if (at == workers_.end()) return Fail(ErrorCode::kNotFound, "no such holder");
  if (auto sent = SendTo(at->second, "where"); !sent) return Forward(sent);
  auto answer = ReceiveFrom(at->second, limit);
  if (!answer) return Forward(answer);
  return GuestPhysAddr{std::stoull(*answer)};
}

Result<BusError> PageHolders::AwaitSignal(pid_t pid, std::chrono::milliseconds limit) {
  const auto at = workers_.find(pid);
  if (at == workers_.end()) return Fail(ErrorCode::kNotFound, "no such holder");
  auto answer = ReceiveFrom(at->second, limit);
  if (!answer) return Forward(answer);
  BusError bus;
  if (std::sscanf(answer->c_str(), kSignalWords, &bus.code, &bus.lsb) != 2)
    return Fail(ErrorCode::kInvalid, *answer);
  return bus;
}

Status PageHolders::End(pid_t pid, std::chrono::milliseconds limit) {
  if (::kill(pid, SIGKILL) != 0) return FailErrno(errno, "kill");
  auto ended = WaitFor(pid, limit);
  Forget(pid);
  if (!ended) return Forward(ended);
  return {};
}

}  // namespace seaward::testd
