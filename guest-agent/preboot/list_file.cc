#include "guest-agent/preboot/list_file.h"

#include <algorithm>
#include <filesystem>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

const char* Text(nextboot::ListError error) {
  switch (error) {
    case nextboot::ListError::kNone:
      return "sound";
    case nextboot::ListError::kLength:
      return "of a wrong length";
    case nextboot::ListError::kMagic:
      return "not a list";
    case nextboot::ListError::kVersion:
      return "of another version";
    case nextboot::ListError::kChecksum:
      return "checksum does not match";
    case nextboot::ListError::kField:
      return "a field breaks its rule";
    case nextboot::ListError::kOrder:
      return "ranges out of order";
  }
  return "unknown";
}

}  // namespace

nextboot::MachineId AsMachineId(const Uuid& uuid) {
  nextboot::MachineId id;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i)
    id.bytes[i] = std::to_integer<std::uint8_t>(uuid.bytes[i]);
  return id;
}

Uuid AsUuid(const nextboot::MachineId& id) {
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i)
    uuid.bytes[i] = static_cast<std::byte>(id.bytes[i]);
  return uuid;
}

Result<std::vector<std::byte>> EncodeList(const StoredList& list) {
  std::vector<std::byte> bytes(nextboot::kMaxListBytes);
  const std::size_t size = nextboot::WriteBootList(
      AsMachineId(list.machine), AsMachineId(list.incarnation), list.ranges.data(),
      list.ranges.size(), reinterpret_cast<std::uint8_t*>(bytes.data()));
  if (size == 0) return Fail(ErrorCode::kInvalid, "next-boot list: ranges out of order");
  bytes.resize(size);
  return bytes;
}

Result<StoredList> DecodeList(std::span<const std::byte> bytes) {
  nextboot::BootListView view;
  const nextboot::ListError error =
      view.Parse({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (error != nextboot::ListError::kNone)
    return Fail(ErrorCode::kCorrupt, std::string("next-boot list: ") + Text(error));
  StoredList list{AsUuid(view.machine()), AsUuid(view.incarnation()), {}};
  for (std::size_t i = 0; i < view.size(); ++i) list.ranges.push_back(view[i]);
  return list;
}

Result<StoredList> LoadList(const std::string& path) {
  auto bytes = ReadFile(path, nextboot::kMaxListBytes);
  if (!bytes && bytes.error().code == ErrorCode::kLimit)
    return Fail(ErrorCode::kCorrupt, "next-boot list: of a wrong length");
  if (!bytes) return Forward(bytes);
  return DecodeList(*bytes);
}

Status SaveList(const std::string& path, const StoredList& list) {
  auto bytes = EncodeList(list);
  if (!bytes) return Forward(bytes);
  const auto there = ReadFile(path, nextboot::kMaxListBytes);
  if (there && *there == *bytes) return {};
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) return FailErrno(error.value(), "folder of " + path);
  return ReplaceFile(path, *bytes);
}

}  // namespace seaward::agent
