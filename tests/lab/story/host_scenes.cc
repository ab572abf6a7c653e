#include "tests/lab/story/host_scenes.h"

#include <fmt/format.h>

#include <cstdlib>

#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

using testing::WaitUntil;

constexpr std::chrono::seconds kQuestion{60};
constexpr std::chrono::seconds kUntilRetired{120};
constexpr std::uint64_t kLeaveToHost = 64u << 20;

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<std::uint64_t> CorruptedInHost(Lab& lab) {
  auto text = lab.host().Shell("awk '/HardwareCorrupted/ { print $2 }' /proc/meminfo", kQuestion);
  if (!text) return Forward(text);
  return std::strtoull(text->c_str(), nullptr, 10);
}

Status WaitRetiredInHost(Lab& lab, std::uint64_t before) {
  const auto more = [&] {
    auto now = CorruptedInHost(lab);
    return now && *now > before;
  };
  if (!WaitUntil(more, kUntilRetired))
    return Fail(ErrorCode::kTimeout, "the host's kernel keeps the page in use");
  auto kernel_log = lab.host().Shell("dmesg | grep -i 'memory failure' | tail -n 4", kQuestion);
  lab.transcript().Add("host_retired", {{"kernel_log", kernel_log ? *kernel_log : ""}});
  lab.narrator().Say("the VM is gone, and the host's kernel has retired the page, too");
  return {};
}

Result<Handout> TakeAllHostMemory(Lab& lab, HostPhysAddr bad) {
  auto hog = lab.host().command_server().Ask(
      "hog", {{"leave_bytes", kLeaveToHost}, {"wanted", Json::array({FormatAddress(bad.value)})}},
      kGuestWork);
  if (!hog) return Forward(hog);
  const Handout handout{hog->at("pages").get<std::uint64_t>(), !hog->at("found").empty()};
  lab.narrator().Say(fmt::format("all of the host's memory allocated: {} pages, the bad one {}",
                                 handout.pages,
                                 handout.bad_frame_given ? "AMONG THEM" : "not among them"));
  return handout;
}

Result<std::string> StateOf(Lab& lab, const std::string& guest) {
  auto state =
      lab.host().Shell(fmt::format("virsh -q -c '{}' domstate --reason {} 2>/dev/null || echo gone",
                                   lab.host().libvirt().uri, guest),
                       kQuestion);
  if (!state) return Forward(state);
  return Trimmed(*state);
}

}  // namespace seaward::lab
