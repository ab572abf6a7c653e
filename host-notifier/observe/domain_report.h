// What `seawardctl domain` shows: what one domain lacks to be protected, and the XML for it.
#pragma once

#include <string>
#include <vector>

#include "host-notifier/ledger/ledger_rows.h"

namespace seaward::observe {

enum class FindingState {
  kOk,
  kLacking,  // without it the domain is not protected
  kNote,     // protected all the same, but less well, or not known yet
};

struct Finding {
  std::string item;  // a word of docs/CONTRACT.md
  FindingState state = FindingState::kOk;
  std::string text;
};

// XML to paste, and whether the domain has such a part already.
struct RecipePart {
  std::string name;
  std::string inside;  // the element that it goes into
  std::string xml;
  bool present = false;
};

struct DomainReport {
  ledger::VmIdentity vm;
  bool running = false;
  std::vector<Finding> findings;
  std::vector<RecipePart> recipe;

  bool complete() const {
    for (const Finding& finding : findings)
      if (finding.state == FindingState::kLacking) return false;
    return true;
  }
};

}  // namespace seaward::observe
