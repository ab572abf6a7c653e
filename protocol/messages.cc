#include "protocol/messages.h"

#include <fmt/format.h>

namespace seaward::protocol {

std::string_view ToString(Evidence evidence) {
  switch (evidence) {
    case Evidence::kConsumed:
      return "consumed";
    case Evidence::kLatent:
      return "latent";
    case Evidence::kPredicted:
      return "predicted";
  }
  return "unknown";
}

std::string_view ToString(ListResult result) {
  switch (result) {
    case ListResult::kApplied:
      return "applied";
    case ListResult::kNoList:
      return "no_list";
    case ListResult::kBadList:
      return "bad_list";
    case ListResult::kOtherMachine:
      return "other_machine";
    case ListResult::kFailedTwice:
      return "failed_twice";
    case ListResult::kNoCounter:
      return "no_counter";
    case ListResult::kNoVolume:
      return "no_volume";
  }
  return "unknown";
}

std::string_view ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kRetired:
      return "retired";
    case Outcome::kExcludedBeforeBoot:
      return "excluded_before_boot";
    case Outcome::kAlreadyRetired:
      return "already_retired";
    case Outcome::kInKernel:
      return "in_kernel";
    case Outcome::kNotRam:
      return "not_ram";
    case Outcome::kBudgetExceeded:
      return "budget_exceeded";
    case Outcome::kDeferred:
      return "deferred";
    case Outcome::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string_view ToString(PageKind kind) {
  switch (kind) {
    case PageKind::kUnknown:
      return "unknown";
    case PageKind::kFree:
      return "free";
    case PageKind::kAnonymous:
      return "anonymous";
    case PageKind::kFile:
      return "file";
    case PageKind::kHuge:
      return "huge";
    case PageKind::kTransparentHuge:
      return "transparent_huge";
    case PageKind::kKernel:
      return "kernel";
    case PageKind::kReserved:
      return "reserved";
    case PageKind::kHwpoison:
      return "hwpoison";
    case PageKind::kOffline:
      return "offline";
  }
  return "unknown";
}

std::string_view ToString(Stage stage) {
  switch (stage) {
    case Stage::kEarly:
      return "early";
    case Stage::kRun:
      return "run";
  }
  return "unknown";
}

Result<Evidence> ParseEvidence(std::string_view text) {
  for (const Evidence evidence : {Evidence::kConsumed, Evidence::kLatent, Evidence::kPredicted})
    if (text == ToString(evidence)) return evidence;
  return Fail(ErrorCode::kInvalid,
              fmt::format("'{}' is no evidence (want consumed, latent or predicted)", text));
}

}  // namespace seaward::protocol
