#include "protocol/codec.h"

#include <array>
#include <type_traits>

#include "base/byte_codec.h"
#include "base/crc32c.h"
#include "protocol/payload_reader.h"
#include "protocol/payload_writer.h"

namespace seaward::protocol {
namespace {

struct TypeVisitor {
  MessageType operator()(const HelloRequest&) const { return MessageType::kHelloRequest; }
  MessageType operator()(const Hello&) const { return MessageType::kHello; }
  MessageType operator()(const HelloAck&) const { return MessageType::kHelloAck; }
  MessageType operator()(const Sync&) const { return MessageType::kSync; }
  MessageType operator()(const Poison&) const { return MessageType::kPoison; }
  MessageType operator()(const Clear&) const { return MessageType::kClear; }
  MessageType operator()(const Verdict&) const { return MessageType::kVerdict; }
  MessageType operator()(const Ping&) const { return MessageType::kPing; }
  MessageType operator()(const Pong&) const { return MessageType::kPong; }
  MessageType operator()(const Stats&) const { return MessageType::kStats; }
  MessageType operator()(const Losses&) const { return MessageType::kLosses; }
  MessageType operator()(const Recall&) const { return MessageType::kRecall; }
  MessageType operator()(const Known&) const { return MessageType::kKnown; }
  MessageType operator()(const BeforeKernel&) const { return MessageType::kBeforeKernel; }
};

// Lists of T, each of at most `limit` items of `all`.
template <class List, class Item>
std::vector<List> Cut(const std::vector<Item>& all, std::vector<Item> List::*items,
                      std::size_t limit) {
  std::vector<List> cut;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % limit == 0) cut.emplace_back();
    (cut.back().*items).push_back(all[i]);
  }
  return cut;
}

}  // namespace

MessageType TypeOf(const Message& message) {
  return std::visit(TypeVisitor{}, message);
}

Result<std::size_t> EncodeFrame(const Message& message, Nonce nonce, std::uint32_t sequence,
                                std::span<std::byte> out) {
  if (out.size() < kHeaderBytes) return Fail(ErrorCode::kLimit, "frame buffer too small");
  const std::size_t room = std::min(out.size() - kHeaderBytes, kMaxPayloadBytes);
  PayloadWriter payload(out.subspan(kHeaderBytes, room));
  std::visit(payload, message);
  Status status = payload.status();
  if (!status) return Forward(status);

  ByteWriter header(out.first(kHeaderBytes));
  header.Put(kMagic);
  header.Put(kVersion);
  header.Put(static_cast<std::uint8_t>(TypeOf(message)));
  header.Put(std::uint16_t{0});
  header.Put(static_cast<std::uint64_t>(nonce));
  header.Put(sequence);
  header.Put(static_cast<std::uint32_t>(payload.size()));
  const std::uint32_t head = Crc32c(out.first(kCrcOffset));
  header.Put(Crc32c(out.subspan(kHeaderBytes, payload.size()), head));
  return kHeaderBytes + payload.size();
}

Result<std::vector<std::byte>> EncodeFrame(const Message& message, Nonce nonce,
                                           std::uint32_t sequence) {
  std::array<std::byte, kMaxFrameBytes> frame;
  Result<std::size_t> size = EncodeFrame(message, nonce, sequence, frame);
  if (!size) return Forward(size);
  return std::vector<std::byte>(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(*size));
}

Result<Message> DecodePayload(MessageType type, std::span<const std::byte> payload) {
  return PayloadReader(payload).Read(type);
}

std::vector<Poison> SplitToFit(const Poison& poison) {
  return Cut(poison.entries, &Poison::entries, kMaxPoisonEntries);
}

std::vector<Clear> SplitToFit(const Clear& clear) {
  return Cut(clear.ranges, &Clear::ranges, kMaxClearRanges);
}

std::vector<Verdict> SplitToFit(const Verdict& verdict) {
  return Cut(verdict.records, &Verdict::records, kMaxVerdictRecords);
}

std::vector<Known> KnownAnswer(const std::vector<KnownRecord>& records) {
  std::vector<Known> answer = Cut(records, &Known::records, kMaxKnownRecords);
  if (answer.empty()) answer.emplace_back();
  answer.back().last = true;
  return answer;
}

}  // namespace seaward::protocol
