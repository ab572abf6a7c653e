// The verdict rules: from what one attempt returned and what the kernel shows before and after it
// to an outcome. Pure. The rules as a table, and what was measured: VERDICTS.md beside this.
//
// The HWPOISON flag alone proves nothing: a hard attempt on a page of the kernel fails with EBUSY
// and leaves the flag behind, after which a hard attempt says EHWPOISON and a soft one even 0,
// while the kernel goes on using the page. So the first result of this boot decides, together with
// what the page is used for.
#pragma once

#include <optional>

#include "guest-agent/pages/page_flags.h"
#include "guest-agent/retire/page_verdict.h"

namespace seaward::agent {

struct Attempt {
  Verb verb = Verb::kHard;
  int sys_errno = 0;                  // of the one write; 0: the kernel accepted it
  std::optional<PageFlags> before{};  // none: kpageflags cannot be read
  std::optional<PageFlags> after{};   // none: as above. Of the head for a hugetlb page.
  // The page's kind before the agent's first attempt of this boot, when this is not the first.
  std::optional<protocol::PageKind> first_kind{};
};

protocol::Outcome Judge(const Attempt& attempt);

}  // namespace seaward::agent
