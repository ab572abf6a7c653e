// EFI load options (UEFI 2.10, 3.1.3) and the device paths inside them (10.3.5): how Driver####
// names a file on a partition. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seaward::agent {

// A partition of a GPT disk.
struct GptPartition {
  std::uint32_t number = 0;  // from 1
  std::uint64_t first_block = 0;
  std::uint64_t blocks = 0;
  std::array<std::byte, 16> guid{};  // in the mixed order of the GPT
  bool operator==(const GptPartition&) const = default;
};

// The GPT's byte order for a UUID given in text order, and back.
std::array<std::byte, 16> TurnedGuid(const std::array<std::byte, 16>& uuid);

// An active option that loads `path` (with backslashes, ASCII) from `partition`, whichever disk
// that is on.
std::vector<std::byte> EncodeLoadOption(std::string_view description, const GptPartition& partition,
                                        std::string_view path);

// The description of an option, '?' for what is not ASCII; nothing when it is malformed.
std::optional<std::string> DescriptionOf(std::span<const std::byte> option);

// DriverOrder and its like: numbers of two bytes.
std::vector<std::uint16_t> DecodeOrder(std::span<const std::byte> bytes);
std::vector<std::byte> EncodeOrder(const std::vector<std::uint16_t>& numbers);

}  // namespace seaward::agent
