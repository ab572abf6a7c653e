#include "guest-agent/nextboot/boot_report.h"

namespace seaward::nextboot {
namespace {

constexpr uint16_t kFlagOldList = 1;
constexpr uint16_t kFlagRunsLeftOut = 2;

bool ReadRuns(FieldReader& fields, BootReport& report) {
  for (uint32_t i = 0; i < report.run_count; ++i) {
    FateRun& run = report.runs[i];
    run.first = fields.U64();
    run.pages = fields.U32();
    const uint32_t fate = fields.U32();
    const bool known = fate >= 1 && fate <= kLastPageFate;
    const bool inside = run.first % kPageBytes == 0 && run.first >> kAddressBits == 0;
    if (!known || !inside || run.pages == 0) return false;
    run.fate = static_cast<PageFate>(fate);
  }
  return fields.ok();
}

}  // namespace

void AddFate(BootReport& report, uint64_t first, uint32_t pages, PageFate fate) {
  report.listed_pages += pages;
  if (fate == PageFate::kProtected) report.protected_pages += pages;
  if (report.run_count > 0) {
    FateRun& last = report.runs[report.run_count - 1];
    if (last.fate == fate && last.end() == first && !report.runs_left_out) {
      last.pages += pages;
      return;
    }
  }
  if (report.run_count == kMaxRuns) {
    report.runs_left_out = true;
    return;
  }
  report.runs[report.run_count] = FateRun{first, pages, fate};
  ++report.run_count;
}

size_t WriteReport(const BootReport& report, bool with_runs, uint8_t* out) {
  const bool left_out = report.runs_left_out || (!with_runs && report.run_count > 0);
  FieldWriter fields(out, kMaxReportBytes);
  fields.U32(kReportMagic);
  fields.U16(kFormatVersion);
  fields.U16(static_cast<uint16_t>(report.result));
  fields.U32(report.list_checksum);
  fields.U16(report.boots);
  fields.U16(static_cast<uint16_t>((report.from_old_list ? kFlagOldList : 0) |
                                   (left_out ? kFlagRunsLeftOut : 0)));
  fields.U32(report.listed_pages);
  fields.U32(report.protected_pages);
  fields.U32(report.firmware_status);
  fields.U32(with_runs ? report.run_count : 0);
  for (uint32_t i = 0; with_runs && i < report.run_count; ++i) {
    fields.U64(report.runs[i].first);
    fields.U32(report.runs[i].pages);
    fields.U32(static_cast<uint32_t>(report.runs[i].fate));
  }
  return fields.ok() ? fields.size() : 0;
}

bool ReadReport(Bytes bytes, BootReport& report) {
  FieldReader fields(bytes);
  if (fields.U32() != kReportMagic || fields.U16() != kFormatVersion) return false;
  const uint16_t result = fields.U16();
  report.list_checksum = fields.U32();
  report.boots = fields.U16();
  const uint16_t flags = fields.U16();
  report.listed_pages = fields.U32();
  report.protected_pages = fields.U32();
  report.firmware_status = fields.U32();
  report.run_count = fields.U32();
  if (!fields.ok() || result < 1 || result > kLastBootResult || report.run_count > kMaxRuns ||
      bytes.size != kReportHeaderBytes + report.run_count * kReportRunBytes) {
    report.run_count = 0;
    return false;
  }
  report.result = static_cast<BootResult>(result);
  report.from_old_list = (flags & kFlagOldList) != 0;
  report.runs_left_out = (flags & kFlagRunsLeftOut) != 0;
  return ReadRuns(fields, report);
}

void WriteCounter(const BootCounter& counter, uint8_t (&out)[kCounterBytes]) {
  FieldWriter fields(out, kCounterBytes);
  fields.U32(counter.list_checksum);
  fields.U16(counter.boots);
  fields.U16(0);
}

bool ReadCounter(Bytes bytes, BootCounter& counter) {
  if (bytes.size != kCounterBytes) return false;
  FieldReader fields(bytes);
  counter.list_checksum = fields.U32();
  counter.boots = fields.U16();
  return true;
}

}  // namespace seaward::nextboot
