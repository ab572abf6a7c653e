#include "tests/support/testd/victim.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "base/clock.h"
#include "base/file_io.h"
#include "tests/support/testd/fault_report.h"
#include "tests/support/testd/frames.h"
#include "tests/support/testd/heir.h"
#include "tests/support/testd/survivor.h"

namespace seaward::testd {
namespace {

// Milliseconds, in emulation too.
constexpr std::chrono::seconds kHeirTakes{2};
constexpr std::uint64_t kStepBytes = 1U << 20;  // between two looks at how much memory is left

// Workers talk in words: numbers in decimal, one packet per answer.
void Say(int fd, const std::string& text) {
  ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

std::string Hear(int fd) {
  char packet[256];
  const ssize_t n = ::recv(fd, packet, sizeof(packet), 0);
  return n > 0 ? std::string(packet, static_cast<std::size_t>(n)) : std::string();
}

// The kernel kills a hog first when memory runs out, and never the command server.
void OfferAsOomVictim() {
  std::ofstream("/proc/self/oom_score_adj") << 1000;
}

std::uint64_t AvailableBytes() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    if (line.rfind("MemFree:", 0) == 0) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

std::uint64_t PatternOf(std::uint64_t index) {
  return 0x5ea3a4d000000000ULL + index;
}

// The last word of each page can be called: it returns at once.
#ifdef __aarch64__
constexpr std::uint64_t kReturn = 0xd65f03c0d65f03c0;
#else
constexpr std::uint64_t kReturn = 0xc3c3c3c3c3c3c3c3;
#endif

std::uint64_t WordAt(std::uint64_t at, std::uint64_t index) {
  return at + sizeof(kReturn) == PageSize() ? kReturn : PatternOf(index);
}

std::byte* CodeIn(std::byte* page) {
  return page + PageSize() - sizeof(kReturn);
}

void Fill(std::byte* page, std::uint64_t index) {
  for (std::uint64_t at = 0; at < PageSize(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = WordAt(at, index);
    std::memcpy(page + at, &word, sizeof(word));
  }
  auto* code = reinterpret_cast<char*>(CodeIn(page));
  __builtin___clear_cache(code, code + sizeof(kReturn));
}

bool Holds(const std::byte* page, std::uint64_t index) {
  bool same = true;
  for (std::uint64_t at = 0; at < PageSize(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, page + at, sizeof(word));
    same = same && word == WordAt(at, index);
  }
  return same;
}

// The kernel reads the page, as for any write(2) out of it. Into a datagram: that copy is made
// under no lock, which a task that dies in the middle of it would hold for ever (a pipe's own
// mutex, and the task never ends).
bool CopyThroughKernel(const std::byte* page) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  return ::write(writer.get(), page, PageSize()) == static_cast<ssize_t>(PageSize());
}

// One access of just that kind. A word other than expected is only seen by reading.
bool TouchOnce(std::byte* page, std::uint64_t index, const std::string& access) {
  if (access == "write") {
    *reinterpret_cast<volatile std::uint64_t*>(page) = PatternOf(index);
  } else if (access == "execute") {
    reinterpret_cast<void (*)()>(CodeIn(page))();
  } else if (access == "copy") {
    return CopyThroughKernel(page);
  } else {
    return Holds(page, index);
  }
  return true;
}

// Touches fresh pages until only `leave` bytes are free; calls see(page address, frames of a step).
template <class See>
void TakeMemory(std::uint64_t leave, See see) {
  const std::uint64_t room = AvailableBytes();
  if (room <= leave) return;
  const std::uint64_t total = (room - leave) / kStepBytes * kStepBytes;
  std::byte* area = MapAnonymous(total);
  if (area == nullptr) return;
  for (std::uint64_t at = 0; at < total && AvailableBytes() > leave; at += kStepBytes) {
    for (std::uint64_t page = 0; page < kStepBytes; page += PageSize()) {
      area[at + page] = std::byte{1};
    }
    auto frames = FramesOf(area + at, kStepBytes / PageSize());
    if (frames && !see(area + at, *frames)) return;
  }
}

// The first page of fresh memory whose frame is wanted; all other pages are given back.
template <class Wanted>
std::byte* FindPage(std::uint64_t leave, Wanted wanted) {
  std::byte* found = nullptr;
  std::vector<std::byte*> steps;
  TakeMemory(leave, [&](std::byte* step, const std::vector<PageFrame>& frames) {
    const auto hit = std::find_if(frames.begin(), frames.end(), wanted);
    steps.push_back(step);
    if (hit != frames.end()) {
      found = step + static_cast<std::uint64_t>(hit - frames.begin()) * PageSize();
    }
    return found == nullptr;
  });
  for (std::byte* step : steps) {
    for (std::uint64_t page = 0; page < kStepBytes; page += PageSize()) {
      if (step + page != found) ::madvise(step + page, PageSize(), MADV_DONTNEED);
    }
  }
  return found;
}

void Serve(int fd, std::byte* area, std::uint64_t pages) {
  while (true) {
    std::istringstream question(Hear(fd));
    std::string verb;
    std::string access;
    std::uint64_t index = 0;
    if (!(question >> verb >> index)) return;
    question >> access;
    std::byte* page = area + index * PageSize();
    if (verb == "touch") Say(fd, TouchOnce(page, index, access) ? "intact" : "changed");
    if (verb == "where") {
      auto frame = FrameOf(page);
      Say(fd, frame && *frame ? std::to_string(AddressOf(**frame).value) : "0");
    }
    if (verb == "touch_all") Say(fd, std::to_string(CountBadPages(area, pages)));
    if (verb == "storm") RetryForEver();
    while (verb == "loop" || verb == "storm") {
      *static_cast<volatile std::byte*>(page);
    }
  }
}

std::byte* MemoryFor(MemoryKind kind, std::uint64_t pages, GuestPhysAddr at, GuestPhysAddr from,
                     std::uint64_t leave) {
  if (at.value != 0) return FindPage(leave, [&](PageFrame f) { return f == FrameAt(at); });
  if (from.value != 0) return FindPage(leave, [&](PageFrame f) { return f >= FrameAt(from); });
  return MapMemory(kind, pages * PageSize());
}

void VictimBody(int fd, const std::string& argument) {
  OfferAsOomVictim();
  std::uint64_t pages = 0;
  GuestPhysAddr at, from;
  std::uint64_t leave = 0;
  bool reports_fault = false;
  unsigned kind = 0;
  std::istringstream(argument) >> pages >> at.value >> from.value >> leave >> reports_fault >> kind;
  if (reports_fault) ReportFaultTo(fd);
  std::byte* area = MemoryFor(static_cast<MemoryKind>(kind), pages, at, from, leave);
  if (area == nullptr) return Say(fd, "none");
  // Before the pages can be bad: the kernel may clean caches over what becomes executable.
  ::mprotect(area, pages * PageSize(), PROT_READ | PROT_WRITE | PROT_EXEC);
  std::string where;
  for (std::uint64_t index = 0; index < pages; ++index) {
    std::byte* page = area + index * PageSize();
    Fill(page, index);
    auto frame = FrameOf(page);
    if (!frame || !*frame) return Say(fd, "none");
    where += std::to_string(AddressOf(**frame).value) + " ";
  }
  Say(fd, where);
  Serve(fd, area, pages);
}

// "PAGES ADDRESS": is that frame among so many fresh pages?
void SuccessorBody(int fd, const std::string& argument) {
  std::uint64_t pages = 0;
  GuestPhysAddr wanted;
  std::istringstream(argument) >> pages >> wanted.value;
  std::byte* area = MapAnonymous(pages * PageSize());
  if (area == nullptr) return;
  for (std::uint64_t index = 0; index < pages; ++index) area[index * PageSize()] = std::byte{1};
  auto frames = FramesOf(area, pages);
  if (!frames) return;
  const bool given = std::find(frames->begin(), frames->end(), FrameAt(wanted)) != frames->end();
  Say(fd, given ? "given" : "other");
}

void HogBody(int fd, const std::string& argument) {
  OfferAsOomVictim();
  std::istringstream words(argument);
  std::uint64_t leave = 0;
  words >> leave;
  std::set<std::uint64_t> wanted;
  for (std::uint64_t addr = 0; words >> addr;) wanted.insert(FrameAt({addr}).number);
  std::uint64_t pages = 0;
  std::string found;
  TakeMemory(leave, [&](std::byte*, const std::vector<PageFrame>& frames) {
    for (const PageFrame frame : frames) {
      pages += frame.number != 0 ? 1 : 0;
      if (wanted.contains(frame.number)) found += " " + std::to_string(AddressOf(frame).value);
    }
    return true;
  });
  Say(fd, std::to_string(pages) + found);
}

}  // namespace

Result<Victims::Started> Victims::Start(const VictimPlan& plan, std::chrono::milliseconds limit) {
  const std::string argument =
      std::to_string(plan.pages) + " " + std::to_string(plan.at.value_or(GuestPhysAddr{}).value) +
      " " + std::to_string(plan.from.value_or(GuestPhysAddr{}).value) + " " +
      std::to_string(plan.leave_bytes) + " " + std::to_string(plan.reports_fault ? 1 : 0) + " " +
      std::to_string(static_cast<unsigned>(plan.memory));
  auto worker = StartWorker(VictimBody, argument);
  if (!worker) return Forward(worker);
  auto answer = ReceiveFrom(*worker, limit);
  if (!answer || *answer == "none") {
    KillGroup(worker->pid);
    if (!answer) return Forward(answer);
    return Fail(ErrorCode::kNotFound, "the wanted memory was not handed out");
  }
  Started started{worker->pid, {}};
  std::istringstream words(*answer);
  for (std::uint64_t addr = 0; words >> addr;) started.pages.push_back({addr});
  workers_[started.pid] = std::move(*worker);
  return started;
}

Result<std::string> Victims::Ask(pid_t pid, const std::string& question,
                                 std::chrono::milliseconds limit) {
  const auto at = workers_.find(pid);
  if (at == workers_.end()) return Fail(ErrorCode::kNotFound, "no such victim");
  if (auto sent = SendTo(at->second, question); !sent) return Fail(ErrorCode::kClosed, "gone");
  return ReceiveFrom(at->second, limit);
}

Result<TouchReport> Victims::TouchPage(pid_t pid, std::uint64_t index, const std::string& access,
                                       std::chrono::milliseconds limit) {
  if (access != "read" && access != "write" && access != "execute" && access != "copy")
    return Fail(ErrorCode::kInvalid, "access: read | write | execute | copy");
  auto answer = Ask(pid, "touch " + std::to_string(index) + " " + access, limit);
  if (!answer && answer.error().code == ErrorCode::kClosed) return TouchReport{Touch::kDied};
  if (!answer) return Forward(answer);
  if (auto fault = ReadFault(*answer)) return TouchReport{Touch::kFaulted, fault};
  return TouchReport{*answer == "intact" ? Touch::kIntact : Touch::kChanged};
}

Result<Succession> Victims::DieAndSucceed(pid_t pid, std::uint64_t pages,
                                          std::chrono::milliseconds limit) {
  auto page = WhereIs(pid, 0, limit);
  if (!page) return Forward(page);
  const std::string order = std::to_string(pages) + " " + std::to_string(page->value);
  if (auto sent = SendTo(workers_.at(pid), "touch 0 read"); !sent) return Forward(sent);
  auto death = WaitFor(pid, limit);
  if (!death) return Forward(death);
  if (!*death) return Fail(ErrorCode::kTimeout, "the victim lives");
  auto successor = StartWorker(SuccessorBody, order);
  Forget(pid);
  if (!successor) return Forward(successor);
  auto answer = ReceiveFrom(*successor, limit);
  auto end = WaitFor(successor->pid, limit);
  if (!end || !*end) KillGroup(successor->pid);
  if (!end) return Forward(end);
  return Succession{**death, answer && *answer == "given", *end};
}

Result<Succession> Victims::DieBesideHeir(pid_t pid, std::uint64_t pages,
                                          std::chrono::milliseconds limit) {
  auto heir = StartWorker(HeirBody, std::to_string(pid) + " " + std::to_string(pages));
  if (!heir) return Forward(heir);
  auto ready = ReceiveFrom(*heir, limit);
  auto touch = ready ? TouchPage(pid, 0, "read", limit) : Forward(ready);
  // In emulation the first touches may not see that the page is bad.
  const SystemClock clock;
  for (const MonoTime end = clock.Now() + limit;
       touch && touch->touch != Touch::kDied && clock.Now() < end;)
    touch = TouchPage(pid, 0, "read", limit);
  if (!touch || touch->touch != Touch::kDied) {
    KillGroup(heir->pid);
    if (!touch) return Forward(touch);
    return Fail(ErrorCode::kTimeout, "the victim lives");
  }
  auto death = WaitFor(pid, limit);
  Forget(pid);
  if (!death || !*death) return Fail(ErrorCode::kTimeout, "the victim does not end");
  auto answer = ReceiveFrom(*heir, kHeirTakes);
  auto then = WaitFor(heir->pid, answer ? limit : kHeirTakes);
  if (!then) return Forward(then);
  return Succession{**death, !answer, *then};
}

Result<std::uint64_t> Victims::CountBad(pid_t pid, std::chrono::milliseconds limit) {
  auto answer = Ask(pid, "touch_all 0", limit);
  if (!answer) return Forward(answer);
  return std::stoull(*answer);
}

Status Victims::KeepTouching(pid_t pid, std::uint64_t index, bool survives) {
  const auto at = workers_.find(pid);
  if (at == workers_.end()) return Fail(ErrorCode::kNotFound, "no such victim");
  return SendTo(at->second, (survives ? "storm " : "loop ") + std::to_string(index));
}

Result<GuestPhysAddr> Victims::WhereIs(pid_t pid, std::uint64_t index,
                                       std::chrono::milliseconds limit) {
  auto answer = Ask(pid, "where " + std::to_string(index), limit);
  if (!answer) return Forward(answer);
  return GuestPhysAddr{std::stoull(*answer)};
}

Result<HogReport> HogMemory(std::uint64_t leave_bytes, const std::vector<GuestPhysAddr>& wanted,
                            std::chrono::milliseconds limit) {
  std::string argument = std::to_string(leave_bytes);
  for (const GuestPhysAddr addr : wanted) argument += " " + std::to_string(addr.value);
  auto worker = StartWorker(HogBody, argument);
  if (!worker) return Forward(worker);
  auto answer = ReceiveFrom(*worker, limit);
  auto ended = WaitFor(worker->pid, limit);
  if (!ended || !*ended) KillGroup(worker->pid);
  if (!answer) return Forward(answer);
  HogReport report;
  std::istringstream words(*answer);
  words >> report.pages;
  for (std::uint64_t addr = 0; words >> addr;) report.found.push_back({addr});
  return report;
}

}  // namespace seaward::testd
