// The commands about frames, files, ports and the machine itself.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/unix_socket.h"
#include "tests/support/testd/commands.h"
#include "tests/support/testd/frames.h"
#include "tests/support/testd/frames_json.h"
#include "tests/support/testd/line_channel.h"

namespace seaward::testd {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxReply = 512U << 10;

Result<std::vector<std::byte>> BytesOf(const std::string& hex) {
  if (hex.size() % 2 != 0) return Fail(ErrorCode::kInvalid, "odd number of hex digits");
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

// Reads until a line that is a reply to `id`; other lines are stale.
Result<std::string> ReplyTo(int socket, const Json& id, std::chrono::milliseconds limit) {
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + limit;
  std::string text;
  while (clock.Now() < deadline) {
    pollfd wait{socket, POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.Now());
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    char bytes[4096];
    const ssize_t n = ::read(socket, bytes, sizeof(bytes));
    if (n <= 0) return Fail(ErrorCode::kClosed, "forward");
    text.append(bytes, static_cast<std::size_t>(n));
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      const std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      const Json reply = Json::parse(line, nullptr, false);
      if (reply.is_object() && reply.value("id", Json()) == id) return line;
    }
  }
  return Fail(ErrorCode::kTimeout, "forward");
}

// Gives the reply a moment to leave through the port before the machine goes down.
void AfterReply(void (*act)()) {
  std::thread([act] {
    ::poll(nullptr, 0, 100);
    act();
  }).detach();
}

}  // namespace

Json RangesJson(const std::vector<ByteRange>& ranges) {
  Json list = Json::array();
  for (const ByteRange& range : ranges) {
    list.push_back({FormatAddress(range.start().value), FormatAddress(range.last())});
  }
  return list;
}

Result<Json> Commands::FrameFlags(const Json& request) {
  auto addr = ParseAddress(request.at("at").get<std::string>());
  if (!addr) return Forward(addr);
  auto flags = ReadFlags(FrameAt({*addr}), 1);
  if (!flags) return Forward(flags);
  if (flags->empty()) return Fail(ErrorCode::kNotFound, "beyond the last frame");
  return Json{{"flags", FormatAddress(flags->front())}, {"names", FlagNames(flags->front())}};
}

Result<Json> Commands::FreeFrames(const Json&) {
  auto ranges = FreeRanges();
  if (!ranges) return Forward(ranges);
  return Json{{"ranges", RangesJson(*ranges)}};
}

// {"pid", "at": virtual address, "pages": how many} -> {"frame": of the first page or 0,
// "untouched": [[first, last], ...] indexes of pages that nobody has touched}
Result<Json> Commands::ProcessPages(const Json& request) {
  auto at = ParseAddress(request.at("at").get<std::string>());
  if (!at) return Forward(at);
  auto pages =
      PagesOf(request.at("pid").get<pid_t>(), *at, request.at("pages").get<std::uint64_t>());
  if (!pages) return Forward(pages);
  Json runs = Json::array();
  for (std::size_t index = 0; index < pages->size(); ++index) {
    if (!(*pages)[index].untouched) continue;
    if (index > 0 && (*pages)[index - 1].untouched) {
      runs.back()[1] = index;
    } else {
      runs.push_back({index, index});
    }
  }
  return Json{{"frame", pages->empty() ? 0 : pages->front().frame.number}, {"untouched", runs}};
}

Result<Json> Commands::Read(const Json& request) {
  auto text = ReadTextFile(request.at("path").get<std::string>(), kMaxReply);
  if (!text) return Forward(text);
  return Json{{"text", *text}};
}

// For files that are no text.
Result<Json> Commands::ReadHex(const Json& request) {
  auto bytes = ReadFile(request.at("path").get<std::string>(), kMaxReply / 2);
  if (!bytes) return Forward(bytes);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const std::byte byte : *bytes) {
    hex += kDigits[std::to_integer<unsigned>(byte) >> 4];
    hex += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return Json{{"hex", hex}};
}

Result<Json> Commands::TimeReads(const Json& request) {
  const auto path = request.at("path").get<std::string>();
  auto file = OpenFile(path, O_RDONLY);
  if (!file) return Forward(file);
  const SystemClock clock;
  const MonoTime begin = clock.Now();
  char bytes[256];
  for (int left = request.at("times").get<int>(); left > 0; --left)
    if (::pread(file->get(), bytes, sizeof(bytes), 0) < 0) return FailErrno(errno, path);
  const std::chrono::duration<double, std::micro> took = clock.Now() - begin;
  return Json{{"took_us", took.count()}};
}

// One write() call: some files of the kernel act on every call.
Result<Json> Commands::Write(const Json& request) {
  const auto text = request.at("text").get<std::string>();
  const auto path = request.at("path").get<std::string>();
  auto file = OpenFile(path, O_WRONLY | (request.value("create", false) ? O_CREAT | O_TRUNC : 0));
  if (!file) return Forward(file);
  if (::write(file->get(), text.data(), text.size()) < 0) return FailErrno(errno, path);
  return Json::object();
}

Result<Json> Commands::MountOn(const Json& request) {
  auto done = Mount(request.at("type").get<std::string>(), request.at("source").get<std::string>(),
                    request.at("folder").get<std::string>());
  if (!done) return Forward(done);
  return Json::object();
}

Result<Json> Commands::PortWrite(const Json& request) {
  const auto name = request.at("port").get<std::string>();
  auto bytes = BytesOf(request.at("hex").get<std::string>());
  if (!bytes) return Forward(bytes);
  const auto held = held_ports_.find(name);
  if (held != held_ports_.end()) {
    if (auto done = WriteAll(held->second.get(), *bytes); !done) return Forward(done);
    return Json::object();
  }
  auto node = FindVirtioPort(name);
  if (!node) return Forward(node);
  auto port = OpenFile(*node, O_RDWR);
  if (!port) return Forward(port);
  if (auto done = WriteAll(port->get(), *bytes); !done) return Forward(done);
  return Json::object();
}

// Opens the port and keeps it open, as an agent that hangs would.
Result<Json> Commands::PortHold(const Json& request) {
  const auto name = request.at("port").get<std::string>();
  auto node = FindVirtioPort(name);
  if (!node) return Forward(node);
  auto port = OpenFile(*node, O_RDWR);
  if (!port) return Forward(port);
  held_ports_[name] = std::move(*port);
  return Json::object();
}

Result<Json> Commands::PortRelease(const Json& request) {
  held_ports_.erase(request.at("port").get<std::string>());
  return Json::object();
}

// Passes a request on to another command server: how a test reaches a guest inside a guest.
Result<Json> Commands::ForwardLine(const Json& request) {
  const Json& inner = request.at("request");
  auto socket = ConnectUnix(request.at("socket").get<std::string>());
  if (!socket) return Forward(socket);
  const std::string line = inner.dump() + "\n";
  if (auto sent = WriteAll(socket->get(), std::as_bytes(std::span(line))); !sent) {
    return Forward(sent);
  }
  auto reply = ReplyTo(socket->get(), inner.value("id", Json()),
                       std::chrono::milliseconds(request.value("limit_ms", 10000)));
  if (!reply) return Forward(reply);
  return Json{{"reply", Json::parse(*reply, nullptr, false)}};
}

Result<Json> Commands::Sysrq(const Json& request) {
  const auto key = request.at("key").get<std::string>();
  if (key == "b") {
    AfterReply([] { (void)PressSysrq('b'); });
  } else if (key == "c") {
    AfterReply([] { (void)PressSysrq('c'); });
  } else {
    return Fail(ErrorCode::kInvalid, "sysrq: b or c");
  }
  return Json::object();
}

Result<Json> Commands::RebootNow(const Json&) {
  AfterReply([] { (void)Reboot(); });
  return Json::object();
}

Result<Json> Commands::PowerOffNow(const Json&) {
  AfterReply([] { (void)PowerOff(); });
  return Json::object();
}

}  // namespace seaward::testd
