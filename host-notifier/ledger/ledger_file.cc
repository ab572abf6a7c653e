#include "host-notifier/ledger/ledger_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file_io.h"
#include "host-notifier/ledger/schema.h"

namespace seaward::ledger {
namespace {

// synchronous=FULL makes every commit of a WAL database durable (sqlite.org/pragma.html). The
// journal limit gives disk back after a burst. The other three distrust the file.
constexpr const char* kPragmas =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
    "PRAGMA journal_size_limit = 8388608; PRAGMA cell_size_check = ON;"
    "PRAGMA trusted_schema = OFF";

Result<UniqueFd> TakeLock(const std::string& path) {
  auto fd = OpenFile(path, O_RDWR | O_CREAT, 0600);
  if (!fd) return fd;
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK)
    return Fail(ErrorCode::kBusy, path + ": another process has the ledger");
  return FailErrno(errno, path);
}

Result<Database> OpenChecked(const std::string& path) {
  auto database = Database::Open(path);
  if (!database) return database;
  if (auto done = database->Execute(kPragmas); !done) return Forward(done);
  const auto verdict = database->Ask("PRAGMA integrity_check(1)");
  if (!verdict) return tl::unexpected<Error>(verdict.error());
  if (*verdict != "ok") return Fail(ErrorCode::kCorrupt, "ledger: " + *verdict);
  if (auto done = Migrate(*database, Migrations()); !done) return Forward(done);
  return database;
}

// The WAL goes with its database: alone it would be replayed into the new one.
Result<std::string> SetAside(const std::string& path, WallTime now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  std::string aside = fmt::format("{}.corrupt-{}", path, seconds.count());
  std::error_code ignored;
  for (int i = 1; std::filesystem::exists(aside, ignored); ++i)
    aside = fmt::format("{}.corrupt-{}-{}", path, seconds.count(), i);
  for (const char* part : {"-wal", "-shm", ""}) {
    if (std::rename((path + part).c_str(), (aside + part).c_str()) != 0 && errno != ENOENT)
      return FailErrno(errno, "rename to " + aside + part);
  }
  return aside;
}

}  // namespace

Result<LedgerFile> OpenLedgerFile(const std::string& path, WallTime now) {
  auto lock = TakeLock(path + ".lock");
  if (!lock) return Forward(lock);
  auto database = OpenChecked(path);
  if (database) return LedgerFile{std::move(*database), std::move(*lock), std::nullopt, ""};
  if (database.error().code != ErrorCode::kCorrupt) return Forward(database);
  std::string why = database.error().Text();
  auto aside = SetAside(path, now);
  if (!aside) return Forward(aside);
  database = OpenChecked(path);
  if (!database) return Forward(database);
  return LedgerFile{std::move(*database), std::move(*lock), std::move(*aside), std::move(why)};
}

}  // namespace seaward::ledger
