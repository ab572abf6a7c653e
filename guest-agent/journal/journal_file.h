// The journal on disk: read once, replaced atomically.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "guest-agent/journal/journal_format.h"

namespace seaward::agent {

struct LoadedJournal {
  std::optional<JournalContent> content;  // none: there was no usable file
  std::optional<Error> set_aside;         // why an unusable file was renamed to "<path>.corrupt"
};

// Never fails the start of an agent: the host is the authority. An error means that the file can
// neither be read nor set aside.
Result<LoadedJournal> LoadJournal(const std::string& path);

// Makes the folder when it is missing.
Status SaveJournal(const std::string& path, const JournalContent& content);

}  // namespace seaward::agent
