// One direction of a channel that a test stands in the middle of: bytes go through, and are lost,
// invented or repeated at the test's word. Owns no descriptor.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace seaward::chaos {

class ChannelWire {
 public:
  // What is kept to be said again: several frames of any size.
  static constexpr std::size_t kHistory = 8192;

  // What the one end said.
  void Takes(std::string_view bytes);
  // What the test says in its place.
  void Injects(std::string_view bytes) { waiting_ += bytes; }
  // The next so many bytes do not arrive.
  void LoseNext(std::size_t bytes) { to_lose_ += bytes; }
  // The newest that went through arrives once more.
  void RepeatHistory() { waiting_ += history_; }

  // What the other end has not taken yet.
  std::string_view waiting() const { return waiting_; }
  void Delivered(std::size_t bytes) { waiting_.erase(0, bytes); }
  // The connection ended; what went through is remembered.
  void Cut() { waiting_.clear(); }

 private:
  std::string waiting_;
  std::string history_;
  std::size_t to_lose_ = 0;
};

}  // namespace seaward::chaos
