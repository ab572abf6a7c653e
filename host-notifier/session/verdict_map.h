// What a guest said about the parts of one poisoned range in one boot. The first final word on a
// byte stands, but for what protocol/spec.md lets follow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::session {

enum class Word {
  kNews,           // now recorded
  kRepeated,       // known already
  kContradiction,  // another final outcome stands for some of these bytes; nothing changed
};

class VerdictMap {
 public:
  Word Apply(const ByteRange& range, protocol::Outcome outcome);

  // Something was said about every byte of `range`.
  bool Covers(const ByteRange& range) const;
  bool AnyDeferred() const;
  // Touching parts with the same outcome count as one.
  std::size_t pieces() const { return pieces_.size(); }

 private:
  struct Piece {
    std::uint64_t last = 0;  // inclusive
    protocol::Outcome outcome = protocol::Outcome::kFailed;
  };
  using Pieces = std::map<std::uint64_t, Piece>;  // by first byte

  Pieces::iterator FirstReaching(std::uint64_t address);
  void Carve(std::uint64_t first, std::uint64_t last);
  void Join(std::uint64_t first, std::uint64_t last, protocol::Outcome outcome);

  Pieces pieces_;
};

}  // namespace seaward::session
