// The numbers of the wire format. Meaning and reasons: protocol/spec.md, which a test compares with
// this file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seaward::protocol {

inline constexpr std::uint32_t kMagic = 0x44525753;  // the bytes "SWRD"
inline constexpr std::uint8_t kVersion = 1;

inline constexpr std::size_t kHeaderBytes = 28;
inline constexpr std::size_t kCrcOffset = 24;  // the CRC is the header's last field
inline constexpr std::size_t kMaxPayloadBytes = 4096;
inline constexpr std::size_t kMaxFrameBytes = kHeaderBytes + kMaxPayloadBytes;

inline constexpr std::size_t kListHeaderBytes = 4;  // count u16, reserved u16
inline constexpr std::size_t kPoisonEntryBytes = 28;
inline constexpr std::size_t kClearRangeBytes = 16;
inline constexpr std::size_t kVerdictRecordBytes = 44;
inline constexpr std::size_t kKnownRecordBytes = 20;
inline constexpr std::size_t kMaxPoisonEntries =
    (kMaxPayloadBytes - kListHeaderBytes) / kPoisonEntryBytes;
inline constexpr std::size_t kMaxClearRanges =
    (kMaxPayloadBytes - kListHeaderBytes) / kClearRangeBytes;
inline constexpr std::size_t kMaxVerdictRecords =
    (kMaxPayloadBytes - kListHeaderBytes) / kVerdictRecordBytes;

// A process's name is what the kernel keeps of it (TASK_COMM_LEN); of a cgroup's path its end.
inline constexpr std::size_t kMaxCommBytes = 15;
inline constexpr std::size_t kMaxCgroupBytes = 128;
inline constexpr std::size_t kMaxLossBytes = 38 + kMaxCommBytes + kMaxCgroupBytes;
inline constexpr std::size_t kMaxLosses = (kMaxPayloadBytes - kListHeaderBytes) / kMaxLossBytes;
inline constexpr std::size_t kMaxKnownRecords =
    (kMaxPayloadBytes - kListHeaderBytes) / kKnownRecordBytes;

inline constexpr std::size_t kMaxAgentVersionBytes = 32;
// Guest physical addresses lie below 2^52: the most that KVM on arm64 gives a guest (FEAT_LPA2).
inline constexpr unsigned kMaxGuestPhysBits = 52;
// The largest host page that can go bad as a whole is a 1 GiB huge page.
inline constexpr std::uint64_t kMaxRangeBytes = std::uint64_t{1} << 30;

}  // namespace seaward::protocol
