// Which part of a guest keeps a bad page from being used. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "host-notifier/ledger/page_life.h"
#include "protocol/messages.h"

namespace seaward::ledger {

enum class Protection {
  kBeforeKernel,  // this boot's kernel never had it
  kEarly,         // retired by the agent in the initramfs
  kRun,           // retired by the running agent
  kNever,         // the guest says that it stays in use; its outcome says why
  kPending,       // no final word of this boot
};
inline constexpr Protection kAllProtections[] = {Protection::kBeforeKernel, Protection::kEarly,
                                                 Protection::kRun, Protection::kNever,
                                                 Protection::kPending};
std::string_view ToString(Protection protection);

// What a verdict says; nullopt: the page is protected by nobody.
std::optional<Protection> ProtectorOf(protocol::Outcome outcome, protocol::Stage stage);

// Of a page as it stands now; `last`: who protected it last, in this boot or an earlier one.
// nullopt: it is no longer wanted.
std::optional<Protection> ProtectionNow(PageLife life, std::optional<Protection> last);

}  // namespace seaward::ledger
