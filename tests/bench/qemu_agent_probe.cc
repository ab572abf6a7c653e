#include "tests/bench/qemu_agent_probe.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <thread>

#include "tests/support/wait_until.h"

namespace seaward::bench {
namespace {

using nlohmann::json;

constexpr char kHardOffline[] = "/sys/devices/system/memory/hard_offline_page";
constexpr int kAnswerLimitSeconds = 60;
constexpr auto kStartLimit = std::chrono::seconds(120);  // under emulation, beside others
// How often an operator's script would look; virsh's own users do no better.
constexpr auto kLookAgain = std::chrono::milliseconds(1);

std::string Base64(std::string_view text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');  // and its zero byte
  const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

}  // namespace

Result<QemuAgentProbe> QemuAgentProbe::Connect(const std::string& uri, const std::string& domain,
                                               const Clock& clock) {
  QemuAgentProbe probe(clock);
  probe.link_.reset(virConnectOpen(uri.c_str()));
  if (probe.link_ == nullptr) return Fail(ErrorCode::kIo, "connect to libvirtd");
  probe.domain_.reset(virDomainLookupByName(probe.link_.get(), domain.c_str()));
  if (probe.domain_ == nullptr) return Fail(ErrorCode::kNotFound, domain);
  const bool up = testing::WaitUntil(
      [&probe] { return probe.Ask("guest-ping", json::object()).has_value(); }, kStartLimit);
  if (!up) return Fail(ErrorCode::kTimeout, "qemu-ga does not answer");
  auto opened = probe.Ask("guest-file-open", {{"path", kHardOffline}, {"mode", "w"}});
  if (!opened) return Forward(opened);
  probe.kept_ = opened->get<int>();
  return probe;
}

Result<json> QemuAgentProbe::Ask(const std::string& command, json arguments) {
  const std::string line = json{{"execute", command}, {"arguments", std::move(arguments)}}.dump();
  char* answer = virDomainQemuAgentCommand(domain_.get(), line.c_str(), kAnswerLimitSeconds, 0);
  if (answer == nullptr) {
    const char* reason = virGetLastErrorMessage();
    return Fail(ErrorCode::kBusy, command + ": " + (reason != nullptr ? reason : "no reason"));
  }
  const json parsed = json::parse(answer, nullptr, false);
  std::free(answer);
  if (!parsed.is_object() || !parsed.contains("return"))
    return Fail(ErrorCode::kCorrupt, command + ": no answer that can be read");
  return parsed["return"];
}

Status QemuAgentProbe::Write(int handle, GuestPhysAddr page) {
  auto written =
      Ask("guest-file-write", {{"handle", handle}, {"buf-b64", Base64(FormatAddress(page.value))}});
  if (!written) return Forward(written);
  return {};
}

Result<std::chrono::nanoseconds> QemuAgentProbe::ByFile(GuestPhysAddr page) {
  const MonoTime begin = clock_->Now();
  auto opened = Ask("guest-file-open", {{"path", kHardOffline}, {"mode", "w"}});
  if (!opened) return Forward(opened);
  if (auto done = Write(opened->get<int>(), page); !done) return Forward(done);
  // Only here it says that the kernel refused.
  auto closed = Ask("guest-file-close", {{"handle", *opened}});
  if (!closed) return Forward(closed);
  return clock_->Now() - begin;
}

Result<std::chrono::nanoseconds> QemuAgentProbe::ByKeptHandle(GuestPhysAddr page) {
  const MonoTime begin = clock_->Now();
  if (auto done = Write(kept_, page); !done) return Forward(done);
  auto flushed = Ask("guest-file-flush", {{"handle", kept_}});
  if (!flushed) return Forward(flushed);
  return clock_->Now() - begin;
}

Result<int> QemuAgentProbe::RunShell(const std::string& script) {
  auto started = Ask("guest-exec", {{"path", "/bin/sh"}, {"arg", {"-c", script}}});
  if (!started) return Forward(started);
  for (;;) {
    auto status = Ask("guest-exec-status", {{"pid", (*started)["pid"]}});
    if (!status) return Forward(status);
    if ((*status)["exited"].get<bool>()) return status->value("exitcode", -1);
    std::this_thread::sleep_for(kLookAgain);  // there is nothing to wait on
  }
}

Result<std::chrono::nanoseconds> QemuAgentProbe::ByExec(GuestPhysAddr page) {
  const MonoTime begin = clock_->Now();
  auto code = RunShell("echo " + FormatAddress(page.value) + " > " + kHardOffline);
  if (!code) return Forward(code);
  const auto took = clock_->Now() - begin;
  if (*code != 0) return Fail(ErrorCode::kBusy, "echo: exit " + std::to_string(*code));
  return took;
}

Result<std::chrono::nanoseconds> QemuAgentProbe::ByLoop(const std::vector<GuestPhysAddr>& pages) {
  std::string script = "for p in";
  for (const GuestPhysAddr page : pages) script += " " + FormatAddress(page.value);
  script += std::string("; do echo $p > ") + kHardOffline + "; done";
  const MonoTime begin = clock_->Now();
  auto code = RunShell(script);
  if (!code) return Forward(code);
  return clock_->Now() - begin;
}

}  // namespace seaward::bench
