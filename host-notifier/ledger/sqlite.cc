#include "host-notifier/ledger/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>

#include "base/file_io.h"

namespace seaward::ledger {
namespace {

// Readers (seawardctl never, people with sqlite3 sometimes) may hold a lock for a moment; the
// ledger thread would rather wait than fail an event.
constexpr int kBusyTimeoutMs = 2000;

bool MeansNoSpace(int sys_errno) {
  // EFBIG: a file size limit (RLIMIT_FSIZE, quota on some file systems) is a full disk as well.
  return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG;
}

ErrorCode CodeOf(int code, int sys_errno) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return ErrorCode::kNoSpace;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kBusy;
    case SQLITE_CONSTRAINT:
      return ErrorCode::kInvalid;
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return ErrorCode::kDenied;
    default:
      return MeansNoSpace(sys_errno) ? ErrorCode::kNoSpace : ErrorCode::kIo;
  }
}

Error ErrorOf(sqlite3* connection, std::string_view what, int left_errno) {
  const int code = sqlite3_extended_errcode(connection);
  const int primary = code & 0xff;
  // Only for these is the number that SQLite remembers about this failure.
  const bool of_system =
      primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL;
  const int kept_errno = of_system ? sqlite3_system_errno(connection) : 0;
  const int sys_errno = of_system && kept_errno == 0 ? left_errno : kept_errno;
  return {CodeOf(code, sys_errno), sys_errno,
          fmt::format("ledger: {}: {} ({})", what, sqlite3_errmsg(connection), code)};
}

}  // namespace

void Database::CloseConnection::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}
void Database::FinalizeStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}
Database::~Database() = default;

Result<Database> Database::Open(const std::string& path) {
  // SQLite would create it for everybody to read.
  if (auto fd = OpenFile(path, O_RDWR | O_CREAT, 0600); !fd) return Forward(fd);
  sqlite3* connection = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  if (connection == nullptr) return Fail(ErrorCode::kNoSpace, "ledger: no memory");
  Database database(connection);
  if (code != SQLITE_OK) return database.FailNow("open");
  sqlite3_busy_timeout(connection, kBusyTimeoutMs);
  return database;
}

tl::unexpected<Error> Database::FailNow(std::string_view what, int sys_errno) const {
  return tl::unexpected<Error>(ErrorOf(connection_.get(), what, sys_errno));
}

Status Database::Execute(const std::string& sql) {
  if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return FailNow(sql.substr(0, sql.find('\n')));
  return {};
}

Result<std::string> Database::Ask(const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK)
    return FailNow(sql);
  const std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement(raw);
  if (sqlite3_step(raw) != SQLITE_ROW) return FailNow(sql);
  const unsigned char* text = sqlite3_column_text(raw, 0);
  return std::string(text == nullptr ? "" : reinterpret_cast<const char*>(text));
}

bool Database::InTransaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}
std::int64_t Database::LastRowId() const {
  return sqlite3_last_insert_rowid(connection_.get());
}

int Database::Changes() const {
  return sqlite3_changes(connection_.get());
}

void Query::Prepare(const char* sql) {
  auto& kept = db_.kept_[sql];
  if (kept == nullptr) {
    sqlite3_stmt* fresh = nullptr;
    Check(sqlite3_prepare_v3(db_.connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &fresh,
                             nullptr));
    kept.reset(fresh);
  }
  statement_ = kept.get();
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::Check(int code) {
  if (code != SQLITE_OK && !wrong_) wrong_ = ErrorOf(db_.connection_.get(), "statement", 0);
}

void Query::Bind(std::int64_t value) {
  Check(statement_ == nullptr ? SQLITE_OK : sqlite3_bind_int64(statement_, ++bound_, value));
}

void Query::Bind(std::string_view value) {
  Check(statement_ == nullptr ? SQLITE_OK
                              : sqlite3_bind_text64(statement_, ++bound_, value.data(),
                                                    value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

// Parameters that are never bound are NULL.
void Query::Bind(const std::optional<std::uint64_t>& value) {
  if (!value)
    ++bound_;
  else
    Bind(*value);
}
void Query::Bind(const std::optional<bool>& value) {
  if (!value)
    ++bound_;
  else
    Bind(*value);
}
void Query::Bind(const std::optional<std::string_view>& value) {
  if (!value)
    ++bound_;
  else
    Bind(*value);
}
void Query::Bind(const std::optional<Uuid>& value) {
  if (!value)
    ++bound_;
  else
    Bind(*value);
}

void Query::Bind(const FieldValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value))
    Bind(*number);
  else if (const auto* text = std::get_if<std::string>(&value))
    Bind(std::string_view(*text));
  else
    ++bound_;
}
void Query::Bind(std::span<const FieldValue> values) {
  for (const FieldValue& value : values) Bind(value);
}

Result<bool> Query::Next() {
  if (wrong_) return tl::unexpected<Error>(*wrong_);
  errno = 0;
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return db_.FailNow("step", errno);
  }
}

Result<std::uint64_t> Query::Number() {
  const Result<bool> found = Next();
  if (!found) return tl::unexpected<Error>(found.error());
  return *found ? Unsigned(0) : 0;
}

Status Query::Run() {
  const Result<bool> row = Next();
  if (!row) return tl::unexpected<Error>(row.error());
  return {};
}

bool Query::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::Signed(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Query::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return text == nullptr ? std::string() : std::string(text, bytes);
}

Uuid Query::Id(int column) const {
  const Result<Uuid> uuid = ParseUuid(Text(column));
  return uuid ? *uuid : Uuid{};
}

Result<Transaction> Transaction::Begin(Database& database) {
  const bool inner = database.InTransaction();
  // IMMEDIATE: a full disk or a lock shows here and not halfway.
  Query begin(database, inner ? "SAVEPOINT part" : "BEGIN IMMEDIATE");
  if (auto begun = begin.Run(); !begun) return Forward(begun);
  return Transaction(database, inner);
}

Transaction::~Transaction() {
  // A full disk may have rolled back on its own. Nothing is to be done about a failing rollback:
  // the next Begin reports it.
  if (db_ == nullptr || !db_->InTransaction()) return;
  static_cast<void>(Query(*db_, inner_ ? "ROLLBACK TO part" : "ROLLBACK").Run());
  if (inner_) static_cast<void>(Query(*db_, "RELEASE part").Run());
}

Status Transaction::Commit() {
  auto done = Query(*db_, inner_ ? "RELEASE part" : "COMMIT").Run();
  // The scope's end must not roll back what another savepoint of this name began.
  if (done) db_ = nullptr;
  return done;
}

}  // namespace seaward::ledger
