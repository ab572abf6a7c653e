#include "host-notifier/chaos/control_witness.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/unix_socket.h"
#include "host-notifier/ctl/control_client.h"

namespace seaward::chaos {
namespace {

using nlohmann::json;

// As seawardctl: the notifier answers from memory and SQLite, an export takes as long as the disk.
constexpr std::chrono::seconds kPatience{15};
constexpr std::chrono::seconds kExportPatience{60};

// The notifier's own "no" in the place of an answer.
Status ErrorIn(const json& answer) {
  if (!answer.is_object()) return Fail(ErrorCode::kCorrupt, "the notifier sent no JSON object");
  if (!answer.contains("error") || !answer["error"].is_object()) return {};
  const std::string code = answer["error"].value("code", "");
  return Fail(code == "not_found" ? ErrorCode::kNotFound
              : code == "invalid" ? ErrorCode::kInvalid
                                  : ErrorCode::kBusy,
              answer["error"].value("text", "the notifier refused"));
}

Result<std::string> AskOnce(const std::string& socket, const json& request) {
  auto client = ctl::ControlClient::Connect(socket);
  if (!client) return Fail(ErrorCode::kClosed, "no notifier: " + client.error().Text());
  std::string answer;
  auto asked = client->Ask(request.dump(), kPatience, [&answer](const std::string& line) {
    answer = line;
    return false;
  });
  if (!asked) return Fail(ErrorCode::kClosed, asked.error().Text());
  return answer;
}

Result<ByteRange> RangeOf(const json& row) {
  auto gpa = ParseAddress(row.value("gpa", ""));
  if (!gpa) return Forward(gpa);
  return ByteRange::Make({*gpa}, row.value("length_bytes", std::uint64_t{0}));
}

// "" for null.
std::string TextOf(const json& row, const char* member) {
  const json value = row.value(member, json());
  return value.is_string() ? value.get<std::string>() : std::string();
}

Result<VmPicture> ReadVm(const json& vm) {
  VmPicture picture{.session = TextOf(vm, "session"), .boot_id = TextOf(vm, "boot_id")};
  const json events = vm.value("events", json::object());
  picture.lost =
      events.value("lost", std::uint64_t{0}) + events.value("unrecordable", std::uint64_t{0});
  for (const json& page : vm.value("pages", json::array())) {
    auto range = RangeOf(page);
    if (!range) return Forward(range);
    const json exposure = page.value("exposure_us", json());
    picture.pages.push_back({*range, TextOf(page, "life"), TextOf(page, "outcome"),
                             exposure.is_number_unsigned()
                                 ? std::optional(exposure.get<std::uint64_t>())
                                 : std::nullopt});
  }
  return picture;
}

}  // namespace

Result<VmPicture> ReadStatus(const std::string& line) {
  const json answer = json::parse(line, nullptr, false);
  if (auto refused = ErrorIn(answer); !refused) return Forward(refused);
  try {
    const json vms = answer.value("vms", json::array());
    if (vms.size() != 1) return Fail(ErrorCode::kNotFound, "the notifier does not know the VM");
    return ReadVm(vms[0]);
  } catch (const json::exception& e) {
    return Fail(ErrorCode::kCorrupt, std::string("the notifier's status: ") + e.what());
  }
}

Status LedgerReader::Take(const std::string& line) {
  const json record = json::parse(line, nullptr, false);
  if (auto refused = ErrorIn(record); !refused) return refused;
  try {
    const std::string type = record.value("type", "");
    if (type == "end") whole_ = true;
    if (type == "incarnation" && record.value("vm", "") == vm_)
      incarnations_.push_back(
          {record.value("id", ""), !record.value("ended_unix_ns", json()).is_null()});
    if (type != "page") return {};
    const auto of = std::ranges::find(incarnations_, record.value("incarnation", ""), &Life::id);
    if (of == incarnations_.end()) return {};
    auto range = RangeOf(record);
    if (!range) return Forward(range);
    rows_.push_back({*range, TextOf(record, "life"), TextOf(record, "outcome"),
                     record.value("event_count", std::uint64_t{0}), !of->ended});
    return {};
  } catch (const json::exception& e) {
    return Fail(ErrorCode::kCorrupt, std::string("the notifier's export: ") + e.what());
  }
}

Status ControlWitness::Tell(GuestPhysAddr page, protocol::Evidence evidence) {
  auto line = AskOnce(socket_, {{"op", "report"},
                                {"vm", vm_},
                                {"gpa", FormatAddress(page.value)},
                                {"evidence", protocol::ToString(evidence)}});
  if (!line) return Forward(line);
  return ErrorIn(json::parse(*line, nullptr, false));
}

Result<VmPicture> ControlWitness::Look() {
  auto line = AskOnce(socket_, {{"op", "status"}, {"vm", vm_}});
  if (!line) return Forward(line);
  return ReadStatus(*line);
}

Result<std::vector<LedgerRow>> ControlWitness::ReadLedger() {
  auto client = ctl::ControlClient::Connect(socket_);
  if (!client) return Fail(ErrorCode::kClosed, "no notifier: " + client.error().Text());
  LedgerReader reader(vm_);
  Status taken;
  auto asked = client->Ask(R"({"op":"export"})", kExportPatience, [&](const std::string& line) {
    taken = reader.Take(line);
    return taken.has_value() && !reader.whole();
  });
  if (!asked) return Forward(asked);
  if (!taken) return Forward(taken);
  if (!reader.whole())
    return Fail(ErrorCode::kClosed, "the notifier's export ended before its end");
  return reader.TakeRows();
}

Status ControlWitness::Kill() {
  auto socket = ConnectUnix(socket_);
  if (!socket) return Forward(socket);
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return FailErrno(errno, "SO_PEERCRED");
  if (peer.pid <= 1) return Fail(ErrorCode::kUnsupported, "the notifier's process is not known");
  if (::kill(peer.pid, SIGKILL) != 0) return FailErrno(errno, "kill the notifier");
  return {};
}

Status ControlWitness::Restart() {
  const int status = std::system(restart_.c_str());
  if (status == 0) return {};
  return Fail(ErrorCode::kIo, "'" + restart_ + "' failed");
}

}  // namespace seaward::chaos
