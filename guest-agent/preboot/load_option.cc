#include "guest-agent/preboot/load_option.h"

#include "base/byte_codec.h"

namespace seaward::agent {
namespace {

constexpr std::uint32_t kActive = 1;
constexpr std::uint8_t kMediaPath = 4;
constexpr std::uint8_t kHardDrive = 1;
constexpr std::uint8_t kFilePath = 4;
constexpr std::uint8_t kEndPath = 0x7f;
constexpr std::uint8_t kEndEntire = 0xff;
constexpr std::uint16_t kNodeHeaderBytes = 4;
constexpr std::uint16_t kHardDriveBytes = 42;
constexpr std::uint8_t kGptFormat = 2;
constexpr std::uint8_t kGuidSignature = 2;
// A description longer than this is nobody's.
constexpr std::size_t kMaxDescription = 512;

std::size_t Utf16Bytes(std::string_view text) {
  return (text.size() + 1) * 2;
}

void PutUtf16(ByteWriter& writer, std::string_view text) {
  for (const char c : text) writer.Put(static_cast<std::uint16_t>(static_cast<unsigned char>(c)));
  writer.Put(std::uint16_t{0});
}

void PutNode(ByteWriter& writer, std::uint8_t type, std::uint8_t kind, std::size_t bytes) {
  writer.Put(type);
  writer.Put(kind);
  writer.Put(static_cast<std::uint16_t>(bytes));
}

}  // namespace

std::array<std::byte, 16> TurnedGuid(const std::array<std::byte, 16>& uuid) {
  constexpr std::size_t kFrom[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  std::array<std::byte, 16> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = uuid[kFrom[i]];
  return turned;
}

std::vector<std::byte> EncodeLoadOption(std::string_view description, const GptPartition& partition,
                                        std::string_view path) {
  const std::size_t file_node = kNodeHeaderBytes + Utf16Bytes(path);
  const std::size_t device_path = kHardDriveBytes + file_node + kNodeHeaderBytes;
  std::vector<std::byte> bytes(4 + 2 + Utf16Bytes(description) + device_path);
  ByteWriter writer(bytes);
  writer.Put(kActive);
  writer.Put(static_cast<std::uint16_t>(device_path));
  PutUtf16(writer, description);

  PutNode(writer, kMediaPath, kHardDrive, kHardDriveBytes);
  writer.Put(partition.number);
  writer.Put(partition.first_block);
  writer.Put(partition.blocks);
  writer.PutBytes(partition.guid);
  writer.Put(kGptFormat);
  writer.Put(kGuidSignature);

  PutNode(writer, kMediaPath, kFilePath, file_node);
  PutUtf16(writer, path);
  PutNode(writer, kEndPath, kEndEntire, kNodeHeaderBytes);
  return bytes;
}

std::optional<std::string> DescriptionOf(std::span<const std::byte> option) {
  ByteReader reader(option);
  (void)reader.Get<std::uint32_t>();
  (void)reader.Get<std::uint16_t>();
  std::string text;
  while (text.size() <= kMaxDescription) {
    const auto unit = reader.Get<std::uint16_t>();
    if (!reader.ok()) return std::nullopt;
    if (unit == 0) return text;
    text += unit >= 0x20 && unit < 0x7f ? static_cast<char>(unit) : '?';
  }
  return std::nullopt;
}

std::vector<std::uint16_t> DecodeOrder(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  std::vector<std::uint16_t> numbers;
  while (reader.remaining() >= 2) numbers.push_back(reader.Get<std::uint16_t>());
  return numbers;
}

std::vector<std::byte> EncodeOrder(const std::vector<std::uint16_t>& numbers) {
  std::vector<std::byte> bytes(numbers.size() * 2);
  ByteWriter writer(bytes);
  for (const std::uint16_t number : numbers) writer.Put(number);
  return bytes;
}

}  // namespace seaward::agent
