// What travels between host-notifier and guest-agent over one virtio-serial port. The meaning of
// every field, all limits and all rules stand in protocol/spec.md; this header is its C++ form. No
// I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/units.h"
#include "base/uuid.h"

namespace seaward::protocol {

// How the host learned of a bad range. Decides the verb: kConsumed and kLatent are retired hard,
// kPredicted (corrected errors, data still good) is migrated away first.
enum class Evidence : std::uint8_t { kConsumed = 1, kLatent = 2, kPredicted = 3 };

// What the agent did with a page. Proven by the first write's result of this boot plus a kpageflags
// check, never by the HWPOISON flag alone.
enum class Outcome : std::uint8_t {
  kRetired = 1,             // this boot's attempt took the page out of use
  kExcludedBeforeBoot = 2,  // outside System RAM although it is RAM: kept away before the kernel
  kAlreadyRetired = 3,      // retired earlier in this boot by somebody else (kernel, operator)
  kInKernel = 4,            // the kernel itself uses it; cannot be retired now
  kNotRam = 5,              // never was RAM of this guest: host and guest disagree
  kBudgetExceeded = 6,      // refused: more memory than the agent may retire
  kDeferred = 7,            // failed for now; tried again after next_try
  kFailed = 8,              // failed for good in this boot
};

// What the page was just before the attempt.
enum class PageKind : std::uint8_t {
  kUnknown = 0,
  kFree = 1,
  kAnonymous = 2,
  kFile = 3,  // page cache
  kHuge = 4,  // hugetlb
  kTransparentHuge = 5,
  kKernel = 6,    // slab, page table, other kernel use
  kReserved = 7,  // kernel image, firmware, memblock-reserved
  kHwpoison = 8,  // flagged already
  kOffline = 9,   // no page there
};

// Which part of the agent speaks.
enum class Stage : std::uint8_t {
  kEarly = 1,  // initramfs: wants the list, retires, leaves
  kRun = 2,    // the daemon
};

// Host -> guest, nonce 0: "say hello". Sent when the host (re)connects; harmless when stale.
struct HelloRequest {};

// Guest -> host. The frame's nonce is the agent's choice for this session; every later frame of the
// session, both ways, carries it. Repeated with backoff until a HelloAck answers.
struct Hello {
  Uuid boot_id;      // /proc/sys/kernel/random/boot_id: names the BootSession
  Uuid machine;      // SMBIOS system UUID, nil when the guest cannot know it
  Uuid incarnation;  // of the journal at hand, nil when there is none
  Stage stage = Stage::kRun;
  std::uint32_t page_size = 4096;  // of the guest kernel, bytes
  std::uint64_t digest = 0;        // PageSetDigest of the ranges dealt with in *this* boot
  std::uint32_t entries = 0;       // how many ranges the digest covers
  std::string agent_version;       // <= 32 bytes, printable ASCII
};

// Host -> guest: the session stands.
struct HelloAck {
  Uuid incarnation;  // of the memory behind this guest; a journal of another one is stale
  std::chrono::milliseconds heartbeat{0};  // the agent may be silent this long; 0 = for ever
};

// Both ways. Host: the set that it wants retired; Poison frames for the difference follow,
// `entries` ranges in all. Guest: all of them are dealt with; the digest now covers them.
struct Sync {
  std::uint64_t digest = 0;
  std::uint32_t entries = 0;
};

struct PoisonEntry {
  std::uint64_t id = 0;  // the host's name for it; unique in a ledger, repeated when sent again
  ByteRange range = ByteRange::Granule({});
  Evidence evidence = Evidence::kConsumed;
  bool replay = false;  // known from an earlier boot of the same incarnation
};
struct Poison {
  std::vector<PoisonEntry> entries;
};

// Host -> guest: forget these (healed, or another incarnation); nothing is un-retired in this boot.
struct Clear {
  std::vector<ByteRange> ranges;
};

// What happened to (a part of) one PoisonEntry. The records for one entry cover it completely.
struct VerdictRecord {
  std::uint64_t id = 0;
  ByteRange range = ByteRange::Granule({});
  Outcome outcome = Outcome::kFailed;
  PageKind kind = PageKind::kUnknown;
  Stage stage = Stage::kRun;    // who retired it: a daemon repeats what the early stage did
  std::uint16_t sys_errno = 0;  // Linux errno of the attempt, 0 when it succeeded
  std::chrono::milliseconds next_try{0};  // only with kDeferred
  std::chrono::nanoseconds duration{0};   // of the attempt, in the guest
};
struct Verdict {
  std::vector<VerdictRecord> records;
};

struct Ping {};
struct Pong {};

// Guest -> host, after each sync and each heartbeat.
struct Stats {
  std::uint64_t retired_bytes = 0;
  std::uint64_t budget_bytes = 0;
  std::uint64_t hardware_corrupted_bytes = 0;  // /proc/meminfo, HardwareCorrupted
  std::uint64_t dropped_bytes = 0;             // garbage that the agent's FrameReader skipped
  std::uint64_t rejected_frames = 0;           // wrong nonce or unexpected type
};

// Who lost a page, as far as the guest can tell. Follows the verdict, when somebody did; lost with
// the session, and of no consequence: the guest's own log has it as well.
struct Loss {
  std::uint64_t id = 0;                      // of the PoisonEntry
  ByteRange range = ByteRange::Granule({});  // the page
  std::uint64_t lost_bytes = 0;              // a whole huge page, of which `range` is a part
  std::uint32_t pid = 0;                     // 0: no process was found
  std::string comm = {};                     // its name, printable ASCII
  std::string cgroup = {};                   // the end of its path, printable ASCII
};
struct Losses {
  std::vector<Loss> losses;
};

// Host -> guest: say what you know. A host asks that lost its own record of this memory.
struct Recall {};

// One range that the guest knows to be bad, by an earlier word of the host's.
struct KnownRecord {
  ByteRange range = ByteRange::Granule({});
  Evidence evidence = Evidence::kLatent;  // never kPredicted
  bool this_boot = false;                 // this boot has dealt with it, or is about to
};

// Guest -> host, the answer to Recall: one or more frames, the last of which says so.
struct Known {
  std::vector<KnownRecord> records;  // empty in the last one only
  bool last = false;
};

// What became of the guest's list of pages that its kernel should not be given.
enum class ListResult : std::uint8_t {
  kApplied = 1,
  kNoList = 2,
  kBadList = 3,
  kOtherMachine = 4,
  kFailedTwice = 5,  // two boots with it did not reach an agent: it was left alone
  kNoCounter = 6,
  kNoVolume = 7,
};

// Guest -> host, once a session, when something ran before the kernel of this boot.
struct BeforeKernel {
  ListResult result = ListResult::kNoList;
  std::uint16_t boots = 0;         // with this list since an agent ran, this one included
  std::uint32_t listed_pages = 0;  // of 4096 bytes
  std::uint32_t protected_pages = 0;
};

using Message = std::variant<HelloRequest, Hello, HelloAck, Sync, Poison, Clear, Verdict, Ping,
                             Pong, Stats, Losses, Recall, Known, BeforeKernel>;

std::string_view ToString(Evidence evidence);
std::string_view ToString(ListResult result);
std::string_view ToString(Outcome outcome);
std::string_view ToString(PageKind kind);
std::string_view ToString(Stage stage);
// "consumed", "latent", "predicted"
Result<Evidence> ParseEvidence(std::string_view text);

}  // namespace seaward::protocol
