// SQLite as this project speaks it: one connection that closes itself, statements that end
// themselves, and a Status for what SQLite answers.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace mcv {

// One thread at a time.
class SqliteConnection {
 public:
  // Opens an existing file for reading and writing; an empty one is an empty database. Waits up to
  // busy_ms for locks of others. Nothing in the file is trusted: no triggers, no views, cells are
  // checked when they are read.
  static Result<SqliteConnection> Open(const std::string& path, int busy_ms);

  SqliteConnection(SqliteConnection&& other) noexcept;
  SqliteConnection& operator=(SqliteConnection&& other) noexcept;
  ~SqliteConnection();

  sqlite3* get() const { return db_; }
  // One or more statements whose rows do not matter.
  Status Run(const char* sql) const;
  // The first column of the first row; 0 if there is none.
  Result<int64_t> Number(const char* sql) const;
  // What the last call on this connection ran into: Corrupt for a damaged file or one that is no
  // database, ResourceExhausted for a full disk, IoError for the rest. Names the file.
  Status Error() const;

 private:
  SqliteConnection() = default;
  sqlite3* db_ = nullptr;
  std::string path_;
};

// One prepared statement. Outlived by its connection; parameters count from 1, columns from 0.
// Bytes that are bound must live until the statement has run.
class SqliteStatement {
 public:
  SqliteStatement(const SqliteConnection& db, const char* sql);
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  SqliteStatement& Bind(int parameter, int64_t value);
  SqliteStatement& Bind(int parameter, std::span<const std::byte> bytes);
  // True: there is a row. False: the end.
  Result<bool> Step();
  // For statements without rows.
  Status Run();

  int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }
  // Valid until the next step.
  std::span<const std::byte> Bytes(int column) const;

 private:
  const SqliteConnection& db_;
  sqlite3_stmt* statement_ = nullptr;
  int error_ = SQLITE_OK;  // the first of preparing and binding
};

// Begins on construction and rolls back on destruction unless Commit was called and worked.
class SqliteTransaction {
 public:
  enum class Kind { kRead, kWrite };
  SqliteTransaction(const SqliteConnection& db, Kind kind);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  // Whether it could begin: a write waits for other writers as long as the connection says.
  const Status& status() const { return status_; }
  Status Commit();

 private:
  const SqliteConnection& db_;
  Status status_;
};

}  // namespace mcv
