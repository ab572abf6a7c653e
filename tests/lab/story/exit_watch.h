// Follows one external abort of a guest through what everybody noted about it: the host's kernel,
// the VMM's log, seaward-notifier. Only what came after Begin counts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tests/lab/story/exit_row.h"
#include "tests/lab/story/lab.h"

namespace seaward::lab {

class ExitWatch {
 public:
  // `vm`: the guest's name. The lab outlives it.
  static Result<ExitWatch> Begin(Lab& lab, const std::string& vm);

  // As the host's kernel saw them.
  std::vector<ObservedAbort> Aborts() const;
  // The first event since Begin, with what is known about its page by now; waits until the notifier
  // has it on disk. What the guest felt is the caller's to add. kTimeout when there is none.
  Result<ExitRow> Row(const std::string& kind);
  // Where the notifier says that event was, whoever found it; after Row.
  std::optional<GuestPhysAddr> place() const { return place_; }
  // Waits until the guest's agent has given its verdict about `page`.
  Status WaitVerdict(GuestPhysAddr page);

 private:
  ExitWatch(Lab& lab, std::string vm) : lab_(&lab), vm_(std::move(vm)) {}
  Result<Json> PageOf(const std::string& gpa);
  // What the interposer did about the exits since the VMM started, oldest first.
  Result<std::vector<std::string>> Injections();

  Lab* lab_;
  std::string vm_;
  std::size_t aborts_before_ = 0;
  std::size_t injections_before_ = 0;
  std::int64_t last_event_ = 0;
  std::optional<GuestPhysAddr> place_;
};

}  // namespace seaward::lab
