// The little of SQLite that the ledger needs: one connection, prepared statements that are kept,
// transactions, and errors as Result. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "base/uuid.h"

struct sqlite3;
struct sqlite3_stmt;

namespace seaward::ledger {

// Times as columns hold them: nanoseconds of their own clock.
constexpr std::int64_t Ns(MonoTime time) {
  return time.time_since_epoch().count();
}
constexpr std::int64_t Ns(WallTime time) {
  return time.time_since_epoch().count();
}

// A column's value of any type; monostate is NULL.
using FieldValue = std::variant<std::monostate, std::int64_t, std::string>;

class Database {
 public:
  // Creates the file (mode 0600) when it is missing. kCorrupt when it is no database.
  static Result<Database> Open(const std::string& path);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;
  ~Database();

  // Statements without parameters or rows, for schemas and pragmas.
  Status Execute(const std::string& sql);
  // The first column of the only row of `sql`.
  Result<std::string> Ask(const std::string& sql);
  bool InTransaction() const;
  std::int64_t LastRowId() const;
  // Rows that the last statement changed.
  int Changes() const;

 private:
  friend class Query;
  struct CloseConnection {
    void operator()(sqlite3* connection) const;
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Database(sqlite3* connection) : connection_(connection) {}
  // `sys_errno`: what the failing call left in errno; SQLite itself keeps it for some files only.
  tl::unexpected<Error> FailNow(std::string_view what, int sys_errno = 0) const;

  std::unique_ptr<sqlite3, CloseConnection> connection_;
  // Keyed by the address of the SQL literal: every statement of the ledger is a literal.
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, FinalizeStatement>> kept_;
};

// One use of a kept statement: binds its parameters in order, is reset when it goes out of scope.
//   Query q(db, "SELECT id FROM page WHERE vm = ?", vm);
//   while (true) { auto row = q.Next(); if (!row) return Forward(row); if (!*row) break; ... }
class Query {
 public:
  template <class... Values>
  explicit Query(Database& database, const char* sql, const Values&... values) : db_(database) {
    Prepare(sql);
    (Bind(values), ...);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  // Steps to the next row; false after the last one. kNoSpace when the disk is full.
  Result<bool> Next();
  // The first column of the first row; 0 when there is none.
  Result<std::uint64_t> Number();
  // For statements that change something.
  Status Run();

  bool IsNull(int column) const;
  std::int64_t Signed(int column) const;
  // 64-bit patterns (addresses) are stored as SQLite's signed integers.
  std::uint64_t Unsigned(int column) const { return static_cast<std::uint64_t>(Signed(column)); }
  std::string Text(int column) const;
  // Nil when the column holds none.
  Uuid Id(int column) const;

 private:
  void Prepare(const char* sql);
  void Bind(std::int64_t value);
  void Bind(std::uint64_t value) { Bind(static_cast<std::int64_t>(value)); }
  void Bind(std::uint32_t value) { Bind(static_cast<std::int64_t>(value)); }
  void Bind(int value) { Bind(static_cast<std::int64_t>(value)); }
  void Bind(bool value) { Bind(static_cast<std::int64_t>(value ? 1 : 0)); }
  void Bind(std::string_view value);
  void Bind(const std::string& value) { Bind(std::string_view(value)); }
  void Bind(const Uuid& value) { Bind(std::string_view(FormatUuid(value))); }
  void Bind(const std::optional<std::uint64_t>& value);
  void Bind(const std::optional<bool>& value);
  void Bind(const std::optional<std::string_view>& value);
  void Bind(const std::optional<Uuid>& value);
  void Bind(const FieldValue& value);
  void Bind(std::span<const FieldValue> values);
  void Check(int code);

  Database& db_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  std::optional<Error> wrong_;
};

// Rolls back at the end of its scope unless committed. Durable (synchronous=FULL) after Commit; one
// inside of another is durable with the outer one.
class Transaction {
 public:
  static Result<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept
      : db_(std::exchange(other.db_, nullptr)), inner_(other.inner_) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  Status Commit();

 private:
  Transaction(Database& database, bool inner) : db_(&database), inner_(inner) {}
  Database* db_;
  bool inner_;
};

}  // namespace seaward::ledger
