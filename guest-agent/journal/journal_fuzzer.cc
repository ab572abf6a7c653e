#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/crc32c.h"
#include "guest-agent/journal/journal_format.h"

namespace {

using namespace seaward::agent;

// What decodes, encodes again to the same bytes.
void Check(std::span<const std::byte> bytes) {
  const auto content = DecodeJournal(bytes);
  if (!content) return;
  // What an older version wrote is written anew as the present one.
  if (bytes[4] == std::byte{seaward::agent::kFirstJournalVersion}) return;
  const auto again = EncodeJournal(*content);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  Check(bytes);
  (void)DecodeBootRecord(bytes.first(std::min(size, kBootRecordBytes)));
  (void)DecodeBootLogHeader(bytes.first(std::min(size, kBootLogHeaderBytes)));
  // The checksum would keep the fuzzer out: give it a good one as well.
  std::vector<std::byte> sealed(bytes.begin(), bytes.end());
  const std::uint32_t crc = seaward::Crc32c(sealed);
  for (unsigned i = 0; i < 4; ++i) sealed.push_back(static_cast<std::byte>(crc >> (8 * i)));
  Check(sealed);
  if (sealed.size() == kBootRecordBytes) (void)DecodeBootRecord(sealed);
  return 0;
}
