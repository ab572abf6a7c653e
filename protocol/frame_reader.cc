#include "protocol/frame_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/byte_codec.h"
#include "base/crc32c.h"

namespace seaward::protocol {
namespace {

constexpr std::array<std::byte, 4> kMagicBytes = {std::byte{'S'}, std::byte{'W'}, std::byte{'R'},
                                                  std::byte{'D'}};
// Room for one incomplete frame and one more, so that Append always has space for a whole frame.
constexpr std::size_t kCapacity = 2 * kMaxFrameBytes;

bool CrcMatches(std::span<const std::byte> frame, std::uint32_t expected) {
  const std::uint32_t head = Crc32c(frame.first(kCrcOffset));
  return Crc32c(frame.subspan(kHeaderBytes), head) == expected;
}

bool StartsWithMagic(std::span<const std::byte> bytes) {
  return std::memcmp(bytes.data(), kMagicBytes.data(), kMagicBytes.size()) == 0;
}

// True when `tail`, shorter than the magic, may grow into it.
bool StartsMagic(std::span<const std::byte> tail) {
  return std::equal(tail.begin(), tail.end(), kMagicBytes.begin());
}

}  // namespace

FrameReader::FrameReader(Memory memory) : memory_(memory) {
  if (memory_ == Memory::kFixed) Acquire();
}

void FrameReader::Acquire() {
  buffer_.resize(kCapacity);
  candidates_.reserve(kCapacity / kMagicBytes.size());
}

void FrameReader::ReleaseUnused() {
  if (memory_ == Memory::kFixed || buffered_bytes() != 0) return;
  Reset();
  // Assigning {} would empty them and keep their memory.
  std::vector<std::byte>().swap(buffer_);
  std::vector<std::size_t>().swap(candidates_);
}

std::span<const std::byte> FrameReader::Append(std::span<const std::byte> bytes) {
  Compact();
  if (buffer_.empty()) Acquire();
  const std::size_t taken = std::min(bytes.size(), buffer_.size() - end_);
  std::copy_n(bytes.begin(), taken, buffer_.begin() + static_cast<std::ptrdiff_t>(end_));
  end_ += taken;
  return bytes.subspan(taken);
}

std::optional<Frame> FrameReader::Next() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidates_.size() || FindCandidate(); ++i) {
    const std::size_t at = candidates_[i];
    if (at < begin_) continue;  // inside a frame already used
    Frame frame;
    switch (Judge(at, frame)) {
      case Judgement::kIncomplete:
        candidates_[kept++] = at;
        break;
      case Judgement::kGarbage:
        break;
      case Judgement::kForeign:
        ++foreign_frames_;
        TakeFrameAt(at, frame.payload.size());
        kept = 0;
        break;
      case Judgement::kFrame:
        TakeFrameAt(at, frame.payload.size());
        candidates_.erase(candidates_.begin(),
                          candidates_.begin() + static_cast<std::ptrdiff_t>(i + 1));
        return frame;
    }
  }
  candidates_.resize(kept);
  DropGarbage();
  return std::nullopt;
}

void FrameReader::Reset() {
  dropped_bytes_ += buffered_bytes();
  begin_ = end_ = scanned_ = 0;
  candidates_.clear();
}

bool FrameReader::FindCandidate() {
  scanned_ = std::max(scanned_, begin_);
  while (end_ - scanned_ >= kMagicBytes.size()) {
    const std::byte* const from = buffer_.data() + scanned_;
    const std::size_t places = end_ - scanned_ - (kMagicBytes.size() - 1);
    const void* const first = std::memchr(from, std::to_integer<int>(kMagicBytes[0]), places);
    if (first == nullptr) {
      scanned_ += places;
      return false;
    }
    const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(first) - buffer_.data());
    const bool found = StartsWithMagic(Buffered(at));
    scanned_ = at + (found ? kMagicBytes.size() : 1);
    if (!found) continue;
    candidates_.push_back(at);
    return true;
  }
  return false;
}

FrameReader::Judgement FrameReader::Judge(std::size_t at, Frame& frame) const {
  const std::span<const std::byte> bytes = Buffered(at);
  if (bytes.size() < kHeaderBytes) return Judgement::kIncomplete;
  ByteReader header(bytes.subspan(kMagicBytes.size()));
  const auto version = header.Get<std::uint8_t>();
  frame.header.type = static_cast<MessageType>(header.Get<std::uint8_t>());
  const auto flags = header.Get<std::uint16_t>();
  frame.header.nonce = static_cast<Nonce>(header.Get<std::uint64_t>());
  frame.header.sequence = header.Get<std::uint32_t>();
  frame.header.length = header.Get<std::uint32_t>();
  const auto crc = header.Get<std::uint32_t>();
  if (flags != 0 || frame.header.length > kMaxPayloadBytes) return Judgement::kGarbage;
  const std::size_t size = kHeaderBytes + frame.header.length;
  if (bytes.size() < size) return Judgement::kIncomplete;
  if (!CrcMatches(bytes.first(size), crc)) return Judgement::kGarbage;
  frame.payload = bytes.subspan(kHeaderBytes, frame.header.length);
  return version == kVersion ? Judgement::kFrame : Judgement::kForeign;
}

// Uses the frame; what stands before it was no frame.
void FrameReader::TakeFrameAt(std::size_t at, std::size_t payload_bytes) {
  dropped_bytes_ += at - begin_;
  begin_ = at + kHeaderBytes + payload_bytes;
}

void FrameReader::DropGarbage() {
  std::size_t keep_from = std::max(begin_, scanned_);
  if (!candidates_.empty()) keep_from = candidates_.front();
  while (candidates_.empty() && keep_from < end_ && !StartsMagic(Buffered(keep_from))) ++keep_from;
  dropped_bytes_ += keep_from - begin_;
  begin_ = keep_from;
}

void FrameReader::Compact() {
  if (begin_ == 0) return;
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  scanned_ = std::max(scanned_, begin_) - begin_;
  std::erase_if(candidates_, [&](std::size_t at) { return at < begin_; });
  for (std::size_t& at : candidates_) at -= begin_;
  begin_ = 0;
}

}  // namespace seaward::protocol
