#include "tests/lab/poison/btf.h"

#include <algorithm>
#include <array>

#include "base/byte_codec.h"

namespace seaward::lab {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint8_t kVersion = 1;
constexpr std::uint32_t kHeaderBytes = 24;
constexpr std::uint32_t kMaxSection = 64u << 20;

enum Kind : std::uint32_t {  // BTF_KIND_*
  kInt = 1,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};

// Bytes after the common 12 of one type.
std::size_t TrailerBytes(std::uint32_t kind, std::uint32_t count) {
  switch (kind) {
    case kInt:
    case kVar:
    case kDeclTag:
      return 4;
    case kArray:
      return 12;
    case kStruct:
    case kUnion:
    case kDatasec:
    case kEnum64:
      return std::size_t{12} * count;
    case kEnum:
    case kFuncProto:
      return std::size_t{8} * count;
    default:
      return 0;
  }
}

bool IsAlias(std::uint32_t kind) {
  return kind == kTypedef || kind == kVolatile || kind == kConst || kind == kRestrict ||
         kind == kTypeTag;
}

}  // namespace

Result<Btf> Btf::Parse(std::span<const std::byte> blob) {
  ByteReader header(blob);
  const auto magic = header.Get<std::uint16_t>();
  const auto version = header.Get<std::uint8_t>();
  header.Get<std::uint8_t>();  // flags
  const auto header_length = header.Get<std::uint32_t>();
  const auto type_offset = header.Get<std::uint32_t>();
  const auto type_length = header.Get<std::uint32_t>();
  const auto string_offset = header.Get<std::uint32_t>();
  const auto string_length = header.Get<std::uint32_t>();
  if (!header.ok() || magic != kMagic || version != kVersion || header_length < kHeaderBytes)
    return Fail(ErrorCode::kCorrupt, "not a BTF header");
  const std::uint64_t types_at = std::uint64_t{header_length} + type_offset;
  const std::uint64_t strings_at = std::uint64_t{header_length} + string_offset;
  if (type_length > kMaxSection || string_length > kMaxSection ||
      types_at + type_length > blob.size() || strings_at + string_length > blob.size())
    return Fail(ErrorCode::kCorrupt, "BTF section outside the file");

  Btf btf;
  const auto strings = blob.subspan(strings_at, string_length);
  btf.strings_.reserve(string_length);
  for (std::byte b : strings) btf.strings_.push_back(static_cast<char>(b));
  if (btf.strings_.empty() || btf.strings_.back() != '\0')
    return Fail(ErrorCode::kCorrupt, "BTF strings do not end");
  if (auto read = btf.ReadTypes(blob.subspan(types_at, type_length)); !read) return Forward(read);
  return btf;
}

Status Btf::ReadTypes(std::span<const std::byte> section) {
  types_.push_back({});
  for (ByteReader in(section); in.remaining() > 0;) {
    Type type;
    type.name = in.Get<std::uint32_t>();
    const auto info = in.Get<std::uint32_t>();
    type.link = in.Get<std::uint32_t>();
    type.kind = (info >> 24) & 31;
    type.member_count = info & 0xffff;
    ByteReader trailer(in.GetBytes(TrailerBytes(type.kind, type.member_count)));
    if (!in.ok()) return Fail(ErrorCode::kCorrupt, "BTF type section is cut");
    if (type.kind == kStruct || type.kind == kUnion) {
      type.first_member = static_cast<std::uint32_t>(members_.size());
      const bool bitfields = (info >> 31) != 0;
      for (std::uint32_t i = 0; i < type.member_count; ++i) {
        Member member;
        member.name = trailer.Get<std::uint32_t>();
        member.type = trailer.Get<std::uint32_t>();
        const auto bits = trailer.Get<std::uint32_t>();
        member.offset = (bitfields ? bits & 0xffffff : bits) / 8;
        members_.push_back(member);
      }
      if (type.name != 0)
        structures_.try_emplace(std::string(Name(type.name)),
                                static_cast<std::uint32_t>(types_.size()));
    }
    types_.push_back(type);
  }
  return {};
}

Result<Btf> Btf::FindInImage(std::span<const std::byte> image) {
  // magic, version 1, flags 0, header length 24: what every section starts with
  constexpr std::array<std::byte, 8> kStart = {std::byte{0x9f}, std::byte{0xeb}, std::byte{1},
                                               std::byte{0},    std::byte{24},   std::byte{0},
                                               std::byte{0},    std::byte{0}};
  Result<Btf> best = Fail(ErrorCode::kNotFound, "no BTF in the kernel image");
  std::size_t most = 0;
  for (auto at = image.begin();;) {
    at = std::search(at, image.end(), kStart.begin(), kStart.end());
    if (at == image.end()) return best;
    auto parsed = Parse(image.subspan(static_cast<std::size_t>(at - image.begin())));
    if (parsed && parsed->types_.size() > most) {
      most = parsed->types_.size();
      best = std::move(parsed);
    }
    ++at;
  }
}

std::string_view Btf::Name(std::uint32_t at) const {
  if (at >= strings_.size()) return {};
  return std::string_view(strings_.data() + at);  // the section ends with a NUL: checked in Parse
}

std::uint32_t Btf::Resolve(std::uint32_t id) const {
  constexpr int kLongestChain = 32;
  for (int i = 0; i < kLongestChain && id < types_.size(); ++i) {
    if (!IsAlias(types_[id].kind)) return id;
    id = types_[id].link;
  }
  return 0;
}

const Btf::Member* Btf::FindMember(std::uint32_t id, std::string_view name, std::uint64_t& offset,
                                   int depth) const {
  const Type& type = types_[Resolve(id)];
  if (depth > 16 || (type.kind != kStruct && type.kind != kUnion)) return nullptr;
  for (std::uint32_t i = 0; i < type.member_count; ++i) {
    const Member& member = members_[type.first_member + i];
    if (Name(member.name) == name) {
      offset += member.offset;
      return &member;
    }
    if (member.name != 0) continue;
    std::uint64_t inner = 0;
    if (const Member* found = FindMember(member.type, name, inner, depth + 1)) {
      offset += member.offset + inner;
      return found;
    }
  }
  return nullptr;
}

Result<std::uint64_t> Btf::Offset(std::string_view structure,
                                  std::span<const std::string_view> path) const {
  const auto found = structures_.find(std::string(structure));
  if (found == structures_.end())
    return Fail(ErrorCode::kNotFound, "BTF has no structure " + std::string(structure));
  std::uint32_t id = found->second;
  std::uint64_t offset = 0;
  for (std::string_view name : path) {
    const Member* member = FindMember(id, name, offset, 0);
    if (member == nullptr)
      return Fail(ErrorCode::kNotFound,
                  "BTF: no member " + std::string(name) + " in " + std::string(structure));
    id = member->type;
  }
  return offset;
}

}  // namespace seaward::lab
