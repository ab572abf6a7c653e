// Structure offsets from a kernel's own type information (BTF; Linux Documentation/bpf/btf.rst).
// The input is a file, so every length is checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace seaward::lab {

class Btf {
 public:
  // `blob` is one BTF section, header included. kCorrupt when a length does not fit.
  static Result<Btf> Parse(std::span<const std::byte> blob);
  // The vmlinux section inside an uncompressed kernel image: the largest blob that parses.
  // kNotFound when there is none ("no BTF").
  static Result<Btf> FindInImage(std::span<const std::byte> image);

  // Byte offset of `path` from the start of `structure`, through anonymous members and nested
  // structures. kNotFound names the member that is missing.
  Result<std::uint64_t> Offset(std::string_view structure,
                               std::span<const std::string_view> path) const;

 private:
  struct Member {
    std::uint32_t name = 0, type = 0;
    std::uint64_t offset = 0;  // bytes
  };
  struct Type {
    std::uint32_t name = 0, kind = 0, link = 0;  // link: the type that a modifier stands for
    std::uint32_t first_member = 0, member_count = 0;
  };

  Status ReadTypes(std::span<const std::byte> section);
  std::string_view Name(std::uint32_t at) const;
  // Without typedefs and qualifiers; 0 when the chain does not end.
  std::uint32_t Resolve(std::uint32_t id) const;
  const Member* FindMember(std::uint32_t id, std::string_view name, std::uint64_t& offset,
                           int depth) const;

  std::vector<Type> types_;  // by id; 0 is void
  std::vector<Member> members_;
  std::string strings_;
  std::unordered_map<std::string, std::uint32_t> structures_;
};

}  // namespace seaward::lab
