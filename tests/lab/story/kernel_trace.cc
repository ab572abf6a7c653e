#include "tests/lab/story/kernel_trace.h"

#include <charconv>

namespace seaward::lab {
namespace {

// HPFAR_EL2: bits 43:4 are the intermediate address' bits 51:12; KVM sets bit 63 when it is valid.
constexpr std::uint64_t kHpfarValid = std::uint64_t{1} << 63;
constexpr std::uint64_t kHpfarPage = 0xfffffffffff0;

// The number after " key=", hex with or without "0x".
std::optional<std::uint64_t> Field(std::string_view line, std::string_view key) {
  const auto at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view digits = line.substr(at + key.size());
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return value;
}

// "  CPU 0/KVM-233     [001] .....   245.871233: sea: (...)": the time stands before the event.
double TimeBefore(std::string_view line, std::size_t event) {
  const auto colon = line.rfind(": ", event);
  const auto space = colon == std::string_view::npos ? colon : line.rfind(' ', colon);
  if (space == std::string_view::npos) return 0;
  double seconds = 0;
  std::from_chars(line.data() + space + 1, line.data() + colon, seconds);
  return seconds;
}

void ReadLine(std::string_view line, KernelTrace& trace) {
  if (line.find("LOST") != std::string_view::npos) ++trace.lost_events;
  if (line.find("kvm_userspace_exit: ") != std::string_view::npos &&
      line.find("(41)") != std::string_view::npos)
    ++trace.exits_to_userspace;
  const auto event = line.find(": sea: (kvm_handle_guest_sea");
  if (event == std::string_view::npos) return;
  ObservedAbort abort;
  abort.at_s = TimeBefore(line, event + 1);
  abort.esr = Field(line, " esr=").value_or(0);
  abort.far = {Field(line, " far=").value_or(0)};
  const std::uint64_t hpfar = Field(line, " hpfar=").value_or(0);
  if ((hpfar & kHpfarValid) != 0) abort.page = GuestPhysAddr{(hpfar & kHpfarPage) << 8};
  trace.aborts.push_back(abort);
}

}  // namespace

KernelTrace ParseKernelTrace(std::string_view text) {
  KernelTrace trace;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    ReadLine(text.substr(0, end), trace);
    text.remove_prefix(end + 1);
  }
  return trace;
}

}  // namespace seaward::lab
