// What a frame costs, written and read again, against the least that its bytes can cost: the same
// bytes copied and their CRC-32C taken, once for the writer and once for the reader.
//
//   frame/TYPE/N   a list of N entries: EncodeFrame, FrameReader, Decode
//   bytes/TYPE/N   memcpy and Crc32c of as many bytes, twice
//   crc/BYTES      Crc32c alone; tables/BYTES: as where the CPU has no instruction for it
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/crc32c_instructions.h"
#include "protocol/codec.h"
#include "protocol/frame_reader.h"

namespace {

using namespace seaward;
using namespace seaward::protocol;

constexpr Nonce kNonce{0x5eed};

ByteRange Page(std::size_t i) {
  return ByteRange::Granule(GuestPhysAddr{0x4000'0000 + (i << 12)});
}

Message SomePoison(std::size_t entries) {
  Poison poison;
  for (std::size_t i = 0; i < entries; ++i)
    poison.entries.push_back({i + 1, Page(i), Evidence::kConsumed, (i & 1) != 0});
  return poison;
}

Message SomeVerdict(std::size_t records) {
  Verdict verdict;
  for (std::size_t i = 0; i < records; ++i)
    verdict.records.push_back({.id = i + 1,
                               .range = Page(i),
                               .outcome = Outcome::kRetired,
                               .kind = PageKind::kFree,
                               .duration = std::chrono::nanoseconds(129'000 + i)});
  return verdict;
}

void RoundTrip(benchmark::State& state, const Message& message) {
  std::array<std::byte, kMaxFrameBytes> frame;
  FrameReader reader;
  std::uint32_t sequence = 0;
  std::uint64_t decoded = 0;
  for (auto _ : state) {
    const Result<std::size_t> size = EncodeFrame(message, kNonce, ++sequence, frame);
    reader.Feed(std::span(frame).first(*size), [&decoded](const Frame& found) {
      Result<Message> read = Decode(found);
      decoded += read ? 1 : 0;
      benchmark::DoNotOptimize(read);
    });
  }
  if (decoded != sequence) state.SkipWithError("a frame was not read");
}

void CopyAndSum(benchmark::State& state, std::size_t bytes) {
  std::array<std::byte, kMaxFrameBytes> from{};
  std::array<std::byte, kMaxFrameBytes> written;
  std::array<std::byte, kMaxFrameBytes> read;
  for (auto _ : state) {
    benchmark::DoNotOptimize(from.data());
    std::memcpy(written.data(), from.data(), bytes);
    benchmark::DoNotOptimize(Crc32c(std::span(written).first(bytes)));
    std::memcpy(read.data(), written.data(), bytes);
    benchmark::DoNotOptimize(Crc32c(std::span(read).first(bytes)));
    benchmark::ClobberMemory();
  }
}

template <class Crc>
void SumAlone(benchmark::State& state, std::size_t bytes, Crc crc) {
  const std::vector<std::byte> data(bytes, std::byte{0x5a});
  for (auto _ : state) {
    benchmark::DoNotOptimize(data.data());
    benchmark::DoNotOptimize(crc(std::span(data)));
  }
}

template <class Function>
void Register(const std::string& name, Function function) {
  benchmark::RegisterBenchmark(name.c_str(), function)
      ->MinTime(0.02)
      ->Repetitions(15)
      ->ReportAggregatesOnly();
}

void RegisterList(const std::string& type, std::size_t entries, const Message& message) {
  const std::string what = type + "/" + std::to_string(entries);
  const std::size_t bytes = EncodeFrame(message, kNonce, 1)->size();
  Register("frame/" + what, [message](benchmark::State& s) { RoundTrip(s, message); });
  Register("bytes/" + what, [bytes](benchmark::State& s) { CopyAndSum(s, bytes); });
}

}  // namespace

int main(int argc, char** argv) {
  // Repetitions of all cases are interleaved: the machine's mood hits all alike.
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, interleave.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  for (const std::size_t entries : {std::size_t{1}, std::size_t{12}, kMaxPoisonEntries})
    RegisterList("poison", entries, SomePoison(entries));
  for (const std::size_t records : {std::size_t{1}, std::size_t{9}, kMaxVerdictRecords})
    RegisterList("verdict", records, SomeVerdict(records));
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{512}, std::size_t{4096}}) {
    const std::string size = std::to_string(bytes);
    Register("crc/" + size, [bytes](benchmark::State& s) {
      SumAlone(s, bytes, [](auto data) { return Crc32c(data); });
    });
    Register("tables/" + size, [bytes](benchmark::State& s) {
      SumAlone(s, bytes, [](auto data) { return Crc32cByTables(data, 0); });
    });
  }
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
