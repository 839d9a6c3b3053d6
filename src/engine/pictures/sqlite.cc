#include "engine/pictures/sqlite.h"

#include <cstring>
#include <utility>

namespace mcv {
namespace {

// The reason in the system's words where the system refused.
std::string ReasonOf(sqlite3* db) {
  std::string reason = sqlite3_errmsg(db);
  const int error = sqlite3_system_errno(db);
  const int code = sqlite3_errcode(db) & 0xff;
  if (error != 0 && (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)) {
    reason += std::string(" (") + std::strerror(error) + ")";
  }
  return reason;
}

void Harden(sqlite3* db) {
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
}

}  // namespace

Result<SqliteConnection> SqliteConnection::Open(const std::string& path, int busy_ms) {
  SqliteConnection connection;
  connection.path_ = path;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &connection.db_, flags, nullptr);
  if (connection.db_ == nullptr) return ResourceExhausted(path + ": no memory to open it");
  if (code != SQLITE_OK) return connection.Error();
  Harden(connection.db_);
  sqlite3_busy_timeout(connection.db_, busy_ms);
  MCV_RETURN_IF_ERROR(connection.Run("PRAGMA cell_size_check = ON"));
  return connection;
}

SqliteConnection::SqliteConnection(SqliteConnection&& other) noexcept { *this = std::move(other); }

SqliteConnection& SqliteConnection::operator=(SqliteConnection&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(path_, other.path_);
  return *this;
}

SqliteConnection::~SqliteConnection() { sqlite3_close(db_); }

Status SqliteConnection::Run(const char* sql) const {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? OkStatus() : Error();
}

Result<int64_t> SqliteConnection::Number(const char* sql) const {
  SqliteStatement statement(*this, sql);
  MCV_ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Number(0) : 0;
}

Status SqliteConnection::Error() const {
  const std::string text = path_ + ": " + ReasonOf(db_);
  switch (sqlite3_errcode(db_) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Corrupt(text);
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return ResourceExhausted(text);
    default:
      return IoError(text);
  }
}

SqliteStatement::SqliteStatement(const SqliteConnection& db, const char* sql) : db_(db) {
  error_ = sqlite3_prepare_v2(db.get(), sql, -1, &statement_, nullptr);
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement& SqliteStatement::Bind(int parameter, int64_t value) {
  if (error_ == SQLITE_OK) error_ = sqlite3_bind_int64(statement_, parameter, value);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, std::span<const std::byte> bytes) {
  if (error_ == SQLITE_OK) {
    error_ = sqlite3_bind_blob64(statement_, parameter, bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  return *this;
}

Result<bool> SqliteStatement::Step() {
  if (error_ != SQLITE_OK) return db_.Error();
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return db_.Error();
}

Status SqliteStatement::Run() { return Step().status(); }

std::span<const std::byte> SqliteStatement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return {static_cast<const std::byte*>(data), static_cast<size_t>(data == nullptr ? 0 : size)};
}

SqliteTransaction::SqliteTransaction(const SqliteConnection& db, Kind kind)
    : db_(db), status_(db.Run(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN")) {}

SqliteTransaction::~SqliteTransaction() {
  // Some errors have rolled back already: then there is nothing to undo.
  if (sqlite3_get_autocommit(db_.get()) == 0) {
    sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Status SqliteTransaction::Commit() { return db_.Run("COMMIT"); }

}  // namespace mcv
