#include "tests/lab/poison/orders.h"

#include <fmt/format.h>

namespace seaward::lab {
namespace {

std::string_view TakeWord(std::string_view& text) {
  const auto end = std::min(text.find(' '), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

Result<std::string> List(Poisoner& poisoner) {
  if (auto checked = poisoner.pages().Check(); !checked) return Forward(checked);
  std::string bad = "pages", lifted = " lifted";
  for (const BadPages::Page& page : poisoner.pages().pages())
    (page.lifted ? lifted : bad) += " " + FormatAddress(page.page.value);
  return bad + lifted;
}

Result<std::string> Poison(Poisoner& poisoner, GuestPhysAddr page, HostPhysAddr backing,
                           std::string_view words) {
  auto kind = PoisonKind::Parse(words);
  if (!kind) return Forward(kind);
  auto bad = poisoner.pages().Poison(page, backing, *kind);
  if (!bad) return Forward(bad);
  return fmt::format("poisoned {} kind=\"{}\" backing={:#x} leaves={}", FormatAddress(page.value),
                     kind->Text(), backing.value, bad->leaves.size());
}

Result<std::string> Tables(const Poisoner& poisoner, GuestPhysAddr page, HostPhysAddr backing) {
  auto tables = poisoner.TablesOf(page, backing);
  if (!tables) return Forward(tables);
  std::string text = "tables";
  for (const GuestTable& table : *tables)
    text += fmt::format(" {}:{:#x}:{:#x}", table.level, table.page.value, table.backing.value);
  return text;
}

Result<std::string> Do(Poisoner& poisoner, std::string_view order) {
  const auto verb = TakeWord(order);
  if (verb == "list" && order.empty()) return List(poisoner);
  const bool takes_backing = verb == "poison" || verb == "tables";
  if (!takes_backing && verb != "heal")
    return Fail(ErrorCode::kInvalid, "orders: " + std::string(kOrders));
  auto page = ParseAddress(TakeWord(order));
  if (!page) return Forward(page);
  if (verb == "heal") {
    if (auto healed = poisoner.pages().Heal({*page}); !healed) return Forward(healed);
    return "healed " + FormatAddress(*page);
  }
  auto backing = ParseAddress(TakeWord(order));
  if (!backing) return Forward(backing);
  if (verb == "tables") return Tables(poisoner, {*page}, {*backing});
  return Poison(poisoner, {*page}, {*backing}, order);
}

}  // namespace

Answer Obey(Poisoner& poisoner, std::string_view order) {
  auto done = Do(poisoner, order);
  const std::string text = done ? "ok " + *done : "error " + done.error().Text();
  return {fmt::format("{} method={}", text, kMethodWord), done.has_value()};
}

}  // namespace seaward::lab
