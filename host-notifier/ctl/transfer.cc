#include "host-notifier/ctl/transfer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "host-notifier/ctl/control_client.h"
#include "host-notifier/ctl/tables.h"

namespace seaward::ctl {
namespace {

using nlohmann::json;

// A disk under load may take this long for one batch of an import.
constexpr std::chrono::seconds kPatience{60};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

int NoNotifier(std::FILE* err, const Error& why) {
  fmt::print(err, "seawardctl: no notifier: {}\n", why.Text());
  return kExitUnreachable;
}

int Failed(std::FILE* err, const std::string& why) {
  fmt::print(err, "seawardctl: {}\n", why);
  return kExitFailed;
}

std::string FileError(const std::string& path) {
  return fmt::format("{}: {}", path, std::strerror(errno));
}

// The last line of an export, and of nothing else.
bool IsEnd(const std::string& line) {
  return json::parse(line, nullptr, false).value("type", "") == "end";
}

// An error of the notifier's in the place of a line.
std::optional<std::string> ErrorIn(const std::string& line) {
  if (!line.starts_with("{\"error\"")) return std::nullopt;
  return json::parse(line, nullptr, false)["error"].value("text", "failed");
}

// Sends the whole file. The notifier may refuse it before its end, and says why in its answer.
Status SendFile(ControlClient& client, std::FILE* file) {
  std::vector<char> chunk(65536);
  for (std::size_t n; (n = std::fread(chunk.data(), 1, chunk.size(), file)) > 0;)
    if (auto sent = client.Send({chunk.data(), n}); !sent) break;
  if (std::ferror(file) != 0) return FailErrno(errno, "read");
  client.EndSending();
  return {};
}

}  // namespace

int RunExport(const Command& command, std::FILE* out, std::FILE* err) {
  auto client = ControlClient::Connect(command.socket);
  if (!client) return NoNotifier(err, client.error());
  File file;
  if (!command.file.empty()) {
    file.reset(std::fopen(command.file.c_str(), "wxe"));
    if (file == nullptr) return Failed(err, FileError(command.file));
    out = file.get();
  }
  bool whole = false;
  std::optional<std::string> error;
  const auto asked = client->Ask(R"({"op":"export"})", kPatience, [&](const std::string& line) {
    error = ErrorIn(line);
    if (error) return false;
    std::fprintf(out, "%s\n", line.c_str());
    whole = IsEnd(line);
    return !whole;
  });
  if (error) return Failed(err, *error);
  if (std::fflush(out) != 0) return Failed(err, FileError("output"));
  if (whole) return kExitOk;
  fmt::print(err, "seawardctl: the export is not whole: {}\n",
             asked ? "the notifier went away" : asked.error().Text());
  return kExitUnreachable;
}

int RunImport(const Command& command, std::FILE* out, std::FILE* err) {
  File file(std::fopen(command.file.c_str(), "re"));
  if (file == nullptr) return Failed(err, FileError(command.file));
  auto client = ControlClient::Connect(command.socket);
  if (!client) return NoNotifier(err, client.error());
  const json request = {{"op", "import"}, {"who", command.who}};
  if (auto sent = client->Send(request.dump() + "\n"); !sent) return NoNotifier(err, sent.error());
  if (auto sent = SendFile(*client, file.get()); !sent) return Failed(err, sent.error().Text());
  json reply;
  const auto heard = client->Listen(kPatience, [&](const std::string& line) {
    reply = json::parse(line, nullptr, false);
    return false;
  });
  if (!heard) return NoNotifier(err, heard.error());
  if (reply.contains("error")) return Failed(err, reply["error"].value("text", "failed"));
  if (command.as_json)
    fmt::print(out, "{}\n", reply.dump());
  else
    fmt::print(out, "{}", ImportText(command.file, reply));
  return reply.value("refused", 1) == 0 ? kExitOk : kExitFailed;
}

}  // namespace seaward::ctl
