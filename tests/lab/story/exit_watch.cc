#include "tests/lab/story/exit_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kQuestion{60};
// From the exit to the ledger, and from the ledger to the verdict: milliseconds on hardware.
constexpr std::chrono::seconds kUntilNoted{120};

std::uint64_t Number(const Json& object, const char* key) {
  const auto value = ParseAddress(object.value(key, "0x0"));
  return value ? *value : 0;
}

}  // namespace

Result<ExitWatch> ExitWatch::Begin(Lab& lab, const std::string& vm) {
  ExitWatch watch(lab, vm);
  auto last = lab.Seawardctl("events --limit 1 --vm " + vm);
  if (!last) return Forward(last);
  for (const Json& event : last->at("events")) watch.last_event_ = event.at("id");
  watch.aborts_before_ = lab.Trace().aborts.size();
  auto injections = watch.Injections();
  if (!injections) return Forward(injections);
  watch.injections_before_ = injections->size();
  return watch;
}

std::vector<ObservedAbort> ExitWatch::Aborts() const {
  auto aborts = lab_->Trace().aborts;
  aborts.erase(aborts.begin(), aborts.begin() + static_cast<std::ptrdiff_t>(
                                                    std::min(aborts.size(), aborts_before_)));
  return aborts;
}

Result<Json> ExitWatch::PageOf(const std::string& gpa) {
  auto status = lab_->Seawardctl("status --vm " + vm_);
  if (!status) return Forward(status);
  for (const Json& vm : status->at("vms"))
    for (const Json& page : vm.at("pages"))
      if (page.at("gpa") == gpa) return page;
  return Json();
}

// Its own words, out of the log that libvirt keeps of the VMM.
Result<std::vector<std::string>> ExitWatch::Injections() {
  auto text = lab_->host().Shell(fmt::format("sed -n 's/.* injection=\\([a-z_]*\\) .*/\\1/p' "
                                             "{}/{}.log",
                                             lab_->host().libvirt().logs, vm_),
                                 kQuestion);
  if (!text) return Forward(text);
  std::istringstream lines(*text);
  std::vector<std::string> words;
  for (std::string word; lines >> word;) words.push_back(word);
  return words;
}

Result<ExitRow> ExitWatch::Row(const std::string& kind) {
  Json event;
  const auto noted = [&] {
    auto events = lab_->Seawardctl(fmt::format("events --after {} --vm {}", last_event_, vm_));
    if (!events || events->at("events").empty()) return false;
    event = events->at("events").front();
    return true;
  };
  if (!testing::WaitUntil(noted, kUntilNoted))
    return Fail(ErrorCode::kTimeout, "the notifier has noted no exit");
  auto injections = Injections();
  if (!injections) return Forward(injections);
  ExitRow row{.kind = kind,
              .flags = Number(event, "flags"),
              .esr = Number(event, "esr"),
              .gva = Number(event, "raw_gva"),
              .gpa = Number(event, "raw_gpa"),
              .located_by = event.value("located_by", ""),
              .exits_observed = Aborts().size()};
  if (injections->size() > injections_before_) row.injection = (*injections)[injections_before_];
  if (!event.at("gpa").is_string()) return row;
  place_ = GuestPhysAddr{Number(event, "gpa")};
  auto page = PageOf(event.at("gpa"));
  if (!page) return Forward(page);
  if (!page->is_object()) return row;
  if (page->at("outcome").is_string()) row.verdict = page->at("outcome").get<std::string>();
  row.host_retired = page->at("host_retired").get<std::string>();
  if (page->at("exposure_us").is_number()) row.exposure_us = page->at("exposure_us").get<double>();
  return row;
}

Status ExitWatch::WaitVerdict(GuestPhysAddr page) {
  const auto said = [&] {
    auto now = PageOf(FormatAddress(page.value));
    return now && now->is_object() && now->at("outcome").is_string();
  };
  if (testing::WaitUntil(said, kUntilNoted)) return {};
  return Fail(ErrorCode::kTimeout, "no verdict about " + FormatAddress(page.value));
}

}  // namespace seaward::lab
