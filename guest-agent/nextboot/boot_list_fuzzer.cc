// Any bytes: what parses as a list is written to the same bytes again; a report is read within its
// bounds.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "guest-agent/nextboot/boot_list.h"
#include "guest-agent/nextboot/boot_report.h"

namespace {

using namespace seaward::nextboot;

void Check(const std::vector<uint8_t>& bytes) {
  BootListView view;
  if (view.Parse({bytes.data(), bytes.size()}) != ListError::kNone) return;
  std::vector<ListedRange> ranges;
  for (size_t i = 0; i < view.size(); ++i) ranges.push_back(view[i]);
  std::vector<uint8_t> again(kMaxListBytes);
  again.resize(WriteBootList(view.machine(), view.incarnation(), ranges.data(), ranges.size(),
                             again.data()));
  if (again != bytes) std::abort();
}

void CheckReport(const std::vector<uint8_t>& bytes) {
  const auto report = std::make_unique<BootReport>();
  if (!ReadReport({bytes.data(), bytes.size()}, *report)) return;
  std::vector<uint8_t> again(kMaxReportBytes);
  again.resize(WriteReport(*report, true, again.data()));
  if (again.size() != bytes.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  CheckReport(bytes);
  Check(bytes);
  // The checksum would keep the fuzzer out: give it a good one as well.
  const uint32_t crc = CrcOf({bytes.data(), bytes.size()});
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(crc >> (8 * i)));
  Check(bytes);
  return 0;
}
