#include "guest-agent/journal/journal_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file_io.h"

namespace seaward::agent {

Result<LoadedJournal> LoadJournal(const std::string& path) {
  auto bytes = ReadFile(path, kJournalMaxBytes);
  if (!bytes && bytes.error().code == ErrorCode::kNotFound) return LoadedJournal{};
  if (!bytes && bytes.error().code != ErrorCode::kLimit) return Forward(bytes);
  Error reason;
  if (bytes) {
    auto content = DecodeJournal(*bytes);
    if (content) return LoadedJournal{std::move(*content), std::nullopt};
    reason = std::move(content.error());
  } else {
    reason = std::move(bytes.error());
  }
  if (std::rename(path.c_str(), (path + ".corrupt").c_str()) != 0)
    return FailErrno(errno, "set aside " + path);
  return LoadedJournal{std::nullopt, std::move(reason)};
}

Status SaveJournal(const std::string& path, const JournalContent& content) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) return FailErrno(error.value(), "folder of " + path);
  return ReplaceFile(path, EncodeJournal(content));
}

}  // namespace seaward::agent
