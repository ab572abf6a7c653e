// Writes BTF sections for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_codec.h"

namespace seaward::lab {

// Writes a BTF section type by type.
class BtfBuilder {
 public:
  static constexpr std::uint32_t kInt = 1, kStruct = 4, kUnion = 5, kTypedef = 8, kConst = 10;
  struct Member {
    std::string name;
    std::uint32_t type, bits;
  };
  std::uint32_t Int(const std::string& name) { return Type(name, kInt << 24, 8, {64}); }
  std::uint32_t Alias(std::uint32_t kind, const std::string& name, std::uint32_t of) {
    return Type(name, kind << 24, of, {});
  }
  std::uint32_t Record(std::uint32_t kind, const std::string& name,
                       const std::vector<Member>& members, bool bitfields = false) {
    std::vector<std::uint32_t> words;
    for (const Member& m : members) {
      words.push_back(Text(m.name));
      words.push_back(m.type);
      words.push_back(m.bits);
    }
    const auto count = static_cast<std::uint32_t>(members.size());
    return Type(name, kind << 24 | count | (bitfields ? 1u << 31 : 0), 64, words);
  }
  std::vector<std::byte> Build() const {
    std::vector<std::byte> out(24 + types_.size() * 4 + strings_.size());
    ByteWriter w(out);
    w.Put<std::uint16_t>(0xeb9f);
    w.Put<std::uint8_t>(1);
    w.Put<std::uint8_t>(0);
    w.Put<std::uint32_t>(24);
    w.Put<std::uint32_t>(0);
    w.Put(static_cast<std::uint32_t>(types_.size() * 4));
    w.Put(static_cast<std::uint32_t>(types_.size() * 4));
    w.Put(static_cast<std::uint32_t>(strings_.size()));
    for (std::uint32_t word : types_) w.Put(word);
    w.PutText(strings_);
    return out;
  }

 private:
  std::uint32_t Text(const std::string& text) {
    if (text.empty()) return 0;
    const auto at = static_cast<std::uint32_t>(strings_.size());
    strings_ += text + '\0';
    return at;
  }
  std::uint32_t Type(const std::string& name, std::uint32_t info, std::uint32_t link,
                     const std::vector<std::uint32_t>& trailer) {
    types_.insert(types_.end(), {Text(name), info, link});
    types_.insert(types_.end(), trailer.begin(), trailer.end());
    return ++count_;
  }
  std::vector<std::uint32_t> types_;
  std::string strings_ = std::string(1, '\0');
  std::uint32_t count_ = 0;
};

}  // namespace seaward::lab
