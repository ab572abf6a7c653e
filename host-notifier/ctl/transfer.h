// Whole ledgers between the notifier and a file.
#pragma once

#include <cstdio>

#include "host-notifier/ctl/commands.h"

namespace seaward::ctl {

// Each returns the exit code of the program.
int RunExport(const Command& command, std::FILE* out, std::FILE* err);
int RunImport(const Command& command, std::FILE* out, std::FILE* err);

}  // namespace seaward::ctl
