// RapidCheck generators for every message that the spec allows. For tests only.
#pragma once

#include <rapidcheck.h>

#include <limits>
#include <string>
#include <vector>

#include "protocol/codec.h"

namespace seaward::protocol::testing {

template <class Enum>
rc::Gen<Enum> AnyEnum(Enum lowest, Enum highest) {
  return rc::gen::map(rc::gen::inRange(static_cast<int>(lowest), static_cast<int>(highest) + 1),
                      [](int value) { return static_cast<Enum>(value); });
}

inline rc::Gen<Uuid> AnyUuid() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::uint8_t>>(16, rc::gen::inRange<std::uint8_t>(1, 255)),
      [](const std::vector<std::uint8_t>& bytes) {
        Uuid uuid;
        for (std::size_t i = 0; i < bytes.size(); ++i)
          uuid.bytes[i] = static_cast<std::byte>(bytes[i]);
        return uuid;
      });
}

inline rc::Gen<ByteRange> AnyRange() {
  constexpr std::uint64_t kMaxGranules = kMaxRangeBytes / kPoisonGranule;
  constexpr std::uint64_t kGranules = (std::uint64_t{1} << kMaxGuestPhysBits) / kPoisonGranule;
  return rc::gen::map(rc::gen::pair(rc::gen::inRange<std::uint64_t>(0, kGranules - kMaxGranules),
                                    rc::gen::inRange<std::uint64_t>(1, kMaxGranules + 1)),
                      [](const std::pair<std::uint64_t, std::uint64_t>& granules) {
                        return ByteRange::Make(GuestPhysAddr{granules.first * kPoisonGranule},
                                               granules.second * kPoisonGranule)
                            .value();
                      });
}

inline std::uint64_t AnyId() {
  return *rc::gen::inRange<std::uint64_t>(1, std::numeric_limits<std::uint64_t>::max());
}

inline Hello AnyHello() {
  Hello hello;
  hello.boot_id = *AnyUuid();
  hello.machine = *rc::gen::element(Uuid{}, *AnyUuid());
  hello.incarnation = *rc::gen::element(Uuid{}, *AnyUuid());
  hello.stage = *AnyEnum(Stage::kEarly, Stage::kRun);
  hello.page_size = *rc::gen::element(4096u, 16384u, 65536u);
  hello.digest = *rc::gen::arbitrary<std::uint64_t>();
  hello.entries = *rc::gen::arbitrary<std::uint32_t>();
  const auto length = *rc::gen::inRange<std::size_t>(0, kMaxAgentVersionBytes + 1);
  hello.agent_version =
      *rc::gen::container<std::string>(length, rc::gen::inRange<char>(0x20, 0x7f));
  return hello;
}

inline Poison AnyPoison() {
  Poison poison;
  const auto count = *rc::gen::inRange<std::size_t>(1, kMaxPoisonEntries + 1);
  for (std::size_t i = 0; i < count; ++i)
    poison.entries.push_back({AnyId(), *AnyRange(),
                              *AnyEnum(Evidence::kConsumed, Evidence::kPredicted),
                              *rc::gen::arbitrary<bool>()});
  return poison;
}

inline VerdictRecord AnyRecord() {
  VerdictRecord record;
  record.id = AnyId();
  record.range = *AnyRange();
  record.outcome = *AnyEnum(Outcome::kRetired, Outcome::kFailed);
  record.kind = *AnyEnum(PageKind::kUnknown, PageKind::kOffline);
  record.stage = *AnyEnum(Stage::kEarly, Stage::kRun);
  record.sys_errno = *rc::gen::arbitrary<std::uint16_t>();
  if (record.outcome == Outcome::kDeferred)
    record.next_try = std::chrono::milliseconds(*rc::gen::arbitrary<std::uint32_t>());
  record.duration = std::chrono::nanoseconds(
      *rc::gen::inRange<std::int64_t>(0, std::numeric_limits<std::int64_t>::max()));
  return record;
}

inline Verdict AnyVerdict() {
  Verdict verdict;
  const auto count = *rc::gen::inRange<std::size_t>(1, kMaxVerdictRecords + 1);
  for (std::size_t i = 0; i < count; ++i) verdict.records.push_back(AnyRecord());
  return verdict;
}

inline Clear AnyClear() {
  const auto count = *rc::gen::inRange<std::size_t>(1, kMaxClearRanges + 1);
  return Clear{*rc::gen::container<std::vector<ByteRange>>(count, AnyRange())};
}

inline Stats AnyStats() {
  const auto any = rc::gen::arbitrary<std::uint64_t>();
  return Stats{*any, *any, *any, *any, *any};
}

inline std::string AnyText(std::size_t most) {
  return *rc::gen::container<std::string>(*rc::gen::inRange<std::size_t>(0, most + 1),
                                          rc::gen::inRange<char>(0x20, 0x7f));
}

inline Losses AnyLosses() {
  Losses losses;
  const auto count = *rc::gen::inRange<std::size_t>(1, kMaxLosses + 1);
  for (std::size_t i = 0; i < count; ++i) {
    Loss loss{
        .id = AnyId(), .range = *AnyRange(), .lost_bytes = *rc::gen::arbitrary<std::uint64_t>()};
    loss.pid = *rc::gen::arbitrary<std::uint32_t>();
    if (loss.pid != 0) loss.comm = AnyText(kMaxCommBytes);
    loss.cgroup = AnyText(kMaxCgroupBytes);
    losses.losses.push_back(loss);
  }
  return losses;
}

inline Known AnyKnown() {
  Known known;
  known.last = *rc::gen::arbitrary<bool>();
  const auto count = *rc::gen::inRange<std::size_t>(known.last ? 0 : 1, kMaxKnownRecords + 1);
  for (std::size_t i = 0; i < count; ++i)
    known.records.push_back({*AnyRange(), *AnyEnum(Evidence::kConsumed, Evidence::kLatent),
                             *rc::gen::arbitrary<bool>()});
  return known;
}

inline BeforeKernel AnyBeforeKernel() {
  const auto listed = *rc::gen::inRange<std::uint32_t>(0, 1 << 30);
  return BeforeKernel{*AnyEnum(ListResult::kApplied, ListResult::kNoVolume),
                      *rc::gen::arbitrary<std::uint16_t>(), listed,
                      *rc::gen::inRange<std::uint32_t>(0, listed + 1)};
}

inline Message MessageOfType(MessageType type) {
  switch (type) {
    case MessageType::kHelloRequest:
      return HelloRequest{};
    case MessageType::kHello:
      return AnyHello();
    case MessageType::kHelloAck:
      return HelloAck{*AnyUuid(), std::chrono::milliseconds(*rc::gen::arbitrary<std::uint32_t>())};
    case MessageType::kSync:
      return Sync{*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint32_t>()};
    case MessageType::kPoison:
      return AnyPoison();
    case MessageType::kClear:
      return AnyClear();
    case MessageType::kVerdict:
      return AnyVerdict();
    case MessageType::kPing:
      return Ping{};
    case MessageType::kPong:
      return Pong{};
    case MessageType::kStats:
      return AnyStats();
    case MessageType::kLosses:
      return AnyLosses();
    case MessageType::kRecall:
      return Recall{};
    case MessageType::kKnown:
      return AnyKnown();
    case MessageType::kBeforeKernel:
      return AnyBeforeKernel();
  }
  return Ping{};
}

inline Message AnyMessage() {
  return MessageOfType(*AnyEnum(MessageType::kHelloRequest, MessageType::kBeforeKernel));
}

}  // namespace seaward::protocol::testing
