#include "guest-agent/preboot/driver_entry.h"

#include <fmt/format.h>

#include <algorithm>

namespace seaward::agent {
namespace {

constexpr std::string_view kOption = "Driver";
constexpr std::string_view kOrder = "DriverOrder";

std::string NameOf(std::uint16_t number) {
  return fmt::format("{}{:04X}", kOption, number);
}

bool IsOurs(const EfiVariables& variables, std::uint16_t number) {
  const auto option = variables.Read(NameOf(number), kGlobalVendor);
  return option && DescriptionOf(option->data) == kDriverDescription;
}

std::vector<std::uint16_t> Ours(const EfiVariables& variables) {
  std::vector<std::uint16_t> numbers = variables.Numbered(kOption);
  std::erase_if(numbers, [&](std::uint16_t number) { return !IsOurs(variables, number); });
  return numbers;
}

std::vector<std::uint16_t> ReadOrder(const EfiVariables& variables) {
  const auto order = variables.Read(kOrder, kGlobalVendor);
  return order ? DecodeOrder(order->data) : std::vector<std::uint16_t>{};
}

Status WriteOrder(const EfiVariables& variables, const std::vector<std::uint16_t>& order) {
  if (order.empty()) return variables.Remove(kOrder, kGlobalVendor);
  return variables.Write(kOrder, kGlobalVendor, {kPersistentVariable, EncodeOrder(order)});
}

Result<std::uint16_t> FreeNumber(const EfiVariables& variables) {
  const std::vector<std::uint16_t> taken = variables.Numbered(kOption);
  std::uint16_t number = 0;
  for (const std::uint16_t used : taken) {
    if (used != number) break;
    if (++number == 0) return Fail(ErrorCode::kLimit, "no free Driver#### variable");
  }
  return number;
}

bool Stands(const EfiVariables& variables, std::uint16_t number,
            const std::vector<std::byte>& option) {
  const auto there = variables.Read(NameOf(number), kGlobalVendor);
  const std::vector<std::uint16_t> order = ReadOrder(variables);
  return there && there->data == option &&
         std::find(order.begin(), order.end(), number) != order.end();
}

}  // namespace

Result<bool> RegisterDriver(const EfiVariables& variables, const GptPartition& partition,
                            std::string_view path) {
  const auto option = EncodeLoadOption(kDriverDescription, partition, path);
  const std::vector<std::uint16_t> ours = Ours(variables);
  if (ours.size() == 1 && Stands(variables, ours[0], option)) return false;
  std::uint16_t number = 0;
  if (ours.empty()) {
    const auto free = FreeNumber(variables);
    if (!free) return Fail(free.error().code, free.error().context);
    number = *free;
  } else {
    number = ours[0];
  }
  // The option before the order: an order that names nothing is what a firmware may complain about.
  if (auto written = variables.Write(NameOf(number), kGlobalVendor, {kPersistentVariable, option});
      !written)
    return Forward(written);
  std::vector<std::uint16_t> order = ReadOrder(variables);
  std::erase_if(order, [&](std::uint16_t other) {
    return std::find(ours.begin(), ours.end(), other) != ours.end() || other == number;
  });
  order.insert(order.begin(), number);
  if (auto written = WriteOrder(variables, order); !written) return Forward(written);
  for (const std::uint16_t other : ours)
    if (other != number)
      if (auto gone = variables.Remove(NameOf(other), kGlobalVendor); !gone) return Forward(gone);
  return true;
}

Status UnregisterDriver(const EfiVariables& variables) {
  const std::vector<std::uint16_t> ours = Ours(variables);
  if (ours.empty()) return {};
  std::vector<std::uint16_t> order = ReadOrder(variables);
  std::erase_if(order, [&](std::uint16_t number) {
    return std::find(ours.begin(), ours.end(), number) != ours.end();
  });
  if (auto written = WriteOrder(variables, order); !written) return written;
  for (const std::uint16_t number : ours)
    if (auto gone = variables.Remove(NameOf(number), kGlobalVendor); !gone) return gone;
  return {};
}

bool DriverRegistered(const EfiVariables& variables) {
  const std::vector<std::uint16_t> order = ReadOrder(variables);
  const std::vector<std::uint16_t> ours = Ours(variables);
  return std::any_of(ours.begin(), ours.end(), [&](std::uint16_t number) {
    return std::find(order.begin(), order.end(), number) != order.end();
  });
}

}  // namespace seaward::agent
