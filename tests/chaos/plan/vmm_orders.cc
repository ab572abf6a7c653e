#include "tests/chaos/plan/vmm_orders.h"

#include <fmt/format.h>

#include <sstream>

namespace seaward::chaos {
namespace {

std::string_view Word(Towards towards) {
  return towards == Towards::kGuest ? "to_guest" : "to_host";
}

std::optional<Towards> ParseTowards(const std::string& word) {
  if (word == "to_guest") return Towards::kGuest;
  if (word == "to_host") return Towards::kHost;
  return std::nullopt;
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2)
    bytes.push_back(static_cast<char>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  return bytes;
}

std::optional<FalseVerdict> ParseVerdict(std::istringstream& words) {
  FalseVerdict verdict;
  std::string start;
  std::uint64_t length = 0;
  unsigned outcome = 0;
  if (!(words >> verdict.entry >> start >> length >> outcome >> verdict.of_this_session))
    return std::nullopt;
  const auto address = ParseAddress(start);
  if (!address) return std::nullopt;
  const auto range = ByteRange::Make({*address}, length);
  if (!range) return std::nullopt;
  verdict.range = *range;
  verdict.outcome = static_cast<protocol::Outcome>(outcome);
  return verdict;
}

// Orders with a direction.
std::optional<VmmOrder> ParseWireOrder(const std::string& verb, std::istringstream& words) {
  VmmOrder order;
  std::string way;
  words >> way;
  const auto towards = ParseTowards(way);
  if (!towards) return std::nullopt;
  order.towards = *towards;
  if (verb == "repeat") {
    order.kind = VmmOrder::Kind::kRepeat;
    return order;
  }
  std::string rest;
  if (!(words >> rest)) return std::nullopt;
  if (verb == "garbage") {
    order.kind = VmmOrder::Kind::kGarbage;
    order.bytes = FromHex(rest);
    return order;
  }
  if (verb != "lose") return std::nullopt;
  order.kind = VmmOrder::Kind::kLose;
  order.count = std::stoul(rest);
  return order;
}

}  // namespace

std::string GarbageOrder(Towards towards, std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return fmt::format("garbage {} {}", Word(towards), hex);
}

std::string LoseOrder(Towards towards, std::size_t bytes) {
  return fmt::format("lose {} {}", Word(towards), bytes);
}

std::string RepeatOrder(Towards towards) {
  return fmt::format("repeat {}", Word(towards));
}

std::string CutOrder() {
  return "cut";
}

std::string VerdictOrder(const FalseVerdict& verdict) {
  return fmt::format("verdict {} {} {} {} {}", verdict.entry,
                     FormatAddress(verdict.range.start().value), verdict.range.length(),
                     static_cast<unsigned>(verdict.outcome), verdict.of_this_session ? 1 : 0);
}

std::string PublishOrder(GuestPhysAddr page, std::uint32_t vcpu) {
  return fmt::format("publish {} {}", FormatAddress(page.value), vcpu);
}

std::optional<VmmOrder> ParseVmmOrder(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string verb;
  words >> verb;
  VmmOrder order;
  if (verb == "cut") return order;
  if (verb == "verdict") {
    const auto verdict = ParseVerdict(words);
    if (!verdict) return std::nullopt;
    order.kind = VmmOrder::Kind::kVerdict;
    order.verdict = *verdict;
    return order;
  }
  if (verb == "publish") {
    std::string page;
    if (!(words >> page >> order.vcpu)) return std::nullopt;
    const auto address = ParseAddress(page);
    if (!address) return std::nullopt;
    order.kind = VmmOrder::Kind::kPublish;
    order.page = {*address};
    return order;
  }
  return ParseWireOrder(verb, words);
}

}  // namespace seaward::chaos
