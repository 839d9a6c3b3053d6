#include "engine/pictures/picture_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/sha256.h"
#include "engine/pictures/store_folder.h"

namespace mcv {
namespace {

constexpr int64_t kApplicationId = 0x6d637670;  // "mcvp" in the file's header
constexpr int64_t kLayoutVersion = 1;

constexpr char kDoneWithout[] = " (done without the cache)";

// Rows lie in a table of their own so that marking a picture as used does not rewrite them.
// `last_used` is a counter, not a time: clocks are set back.
constexpr char kTables[] =
    "CREATE TABLE pictures(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
    " num_rows INTEGER NOT NULL, width INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " sha256 BLOB NOT NULL, last_used INTEGER NOT NULL);"
    "CREATE INDEX pictures_by_use ON pictures(last_used);"
    "CREATE TABLE data(id INTEGER PRIMARY KEY, rows BLOB NOT NULL);";

// The key and the shape belong to it: rows that the file gives to another picture are not believed.
std::array<uint8_t, 32> Digest(const PictureKey& key, RowsShape shape,
                               std::span<const float> rows) {
  const std::array<int64_t, 2> numbers = {shape.num_rows, shape.width};
  Sha256 sha;
  sha.Update(std::as_bytes(std::span(key)));
  sha.Update(std::as_bytes(std::span(numbers)));
  sha.Update(std::as_bytes(rows));
  return sha.Finish();
}

// A mark and a version do not make a store: somebody may have taken a table away, or put numbers in
// that no picture has. Found out here, because the error of a later statement does not say whether
// the file or the moment is to blame.
Status CheckTables(const SqliteConnection& db, const std::string& path) {
  MCV_ASSIGN_OR_RETURN(
      const int64_t parts,
      db.Number("SELECT (SELECT count(*) FROM pragma_table_info('pictures') WHERE name IN ('id',"
                " 'key', 'num_rows', 'width', 'bytes', 'sha256', 'last_used')) +"
                " (SELECT count(*) FROM pragma_table_info('data') WHERE name IN ('id', 'rows')) +"
                " (SELECT count(*) FROM sqlite_master WHERE type = 'table'"
                " AND name IN ('pictures', 'data'))"));
  if (parts != 9 + 2) return Corrupt(path + ": its tables are not those of this layout");
  MCV_ASSIGN_OR_RETURN(
      const int64_t absurd,
      db.Number("SELECT count(*) FROM pictures WHERE typeof(bytes) <> 'integer' OR"
                " typeof(last_used) <> 'integer' OR bytes NOT BETWEEN 0 AND 1099511627776 OR"
                " last_used NOT BETWEEN 0 AND 4611686018427387904"));
  return absurd == 0 ? OkStatus() : Corrupt(path + ": has numbers that no picture has");
}

// OK for a picture store of this layout and for an empty database. Tells in `ours` whether at least
// this program's mark is there.
Status CheckKind(const SqliteConnection& db, const std::string& path, bool* ours, bool* empty) {
  MCV_ASSIGN_OR_RETURN(const int64_t application, db.Number("PRAGMA application_id"));
  MCV_ASSIGN_OR_RETURN(const int64_t layout, db.Number("PRAGMA user_version"));
  *ours = application == kApplicationId;
  MCV_ASSIGN_OR_RETURN(const int64_t objects, db.Number("SELECT count(*) FROM sqlite_master"));
  *empty = objects == 0;
  if (*empty && (*ours || application == 0)) return OkStatus();
  if (!*ours) {
    return InvalidArgument(path + ": is a database of another program, it was left alone");
  }
  if (layout == kLayoutVersion) return CheckTables(db, path);
  return Corrupt(path + ": its layout has version " + std::to_string(layout) + ", expected " +
                 std::to_string(kLayoutVersion));
}

}  // namespace

struct PictureStore::Entry {
  int64_t id = 0;
  int64_t bytes = 0;
  RowsShape shape;
  std::array<uint8_t, 32> sha256 = {};
  std::vector<float> rows;
  bool whole = false;
};

PictureStore::PictureStore(const std::string& folder, int64_t max_bytes, int busy_ms)
    : folder_(folder), path_(StoreFile(folder)), max_bytes_(max_bytes), busy_ms_(busy_ms) {
  const Status connected = Connect();
  if (!connected.ok()) Note(connected.message() + kDoneWithout);
  // The limit may be lower than it was, or than another process's.
  if (connected.ok()) Handle(Shrink());
}

void PictureStore::Note(const std::string& note) {
  if (std::find(told_.begin(), told_.end(), note) != told_.end()) return;
  told_.push_back(note);
  notes_.push_back(note);
}

std::vector<std::string> PictureStore::TakeNotes() { return std::exchange(notes_, {}); }

Status PictureStore::Connect() {
  MCV_RETURN_IF_ERROR(MakeStoreFolder(folder_));
  MCV_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Take(folder_, busy_ms_));
  Status status = OpenFile();
  if (status.code() == StatusCode::kCorrupt) {
    Note(status.message() + ": it was begun anew");
    MCV_RETURN_IF_ERROR(SetAside());
    status = OpenFile();
  }
  return status;
}

Status PictureStore::OpenFile() {
  ours_ = false;
  MCV_RETURN_IF_ERROR(MakeStoreFile(path_));
  MCV_ASSIGN_OR_RETURN(SqliteConnection db, SqliteConnection::Open(path_, busy_ms_));
  bool empty = false;
  MCV_RETURN_IF_ERROR(CheckKind(db, path_, &ours_, &empty));
  if (empty) MCV_RETURN_IF_ERROR(CreateTables(db));
  // The disk is waited for only when the log is folded into the file: after a power cut the last
  // pictures may be missing, what is there is whole.
  MCV_RETURN_IF_ERROR(db.Run("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 33554432"));
  ours_ = true;
  inode_ = InodeOf(path_);
  db_ = std::move(db);
  return OkStatus();
}

Status PictureStore::CreateTables(const SqliteConnection& db) const {
  // Pages as large as this halve the time of a large picture. Readers and one writer do not wait
  // for each other with a write-ahead log.
  MCV_RETURN_IF_ERROR(
      db.Run("PRAGMA page_size = 32768; PRAGMA auto_vacuum = INCREMENTAL;"
             "PRAGMA journal_mode = WAL"));
  SqliteTransaction transaction(db, SqliteTransaction::Kind::kWrite);
  MCV_RETURN_IF_ERROR(transaction.status());
  const std::string marks = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                            "; PRAGMA user_version = " + std::to_string(kLayoutVersion) + ";";
  MCV_RETURN_IF_ERROR(db.Run((kTables + marks).c_str()));
  return transaction.Commit();
}

// A file that is none of ours may be of value to somebody: it is kept under another name.
Status PictureStore::SetAside() {
  db_.reset();
  return ours_ ? RemoveStoreFiles(path_) : RenameStoreFile(path_, DamagedFile(path_));
}

Status PictureStore::Replace(const Status& reason) {
  db_.reset();
  MCV_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Take(folder_, busy_ms_));
  // Another process may have been first.
  if (InodeOf(path_) == inode_) {
    Note(reason.message() + ": it was begun anew");
    MCV_RETURN_IF_ERROR(SetAside());
  }
  return OpenFile();
}

void PictureStore::Handle(const Status& trouble) {
  if (trouble.ok()) return;
  if (trouble.code() != StatusCode::kCorrupt) return Note(trouble.message() + kDoneWithout);
  const Status replaced = Replace(trouble);
  if (!replaced.ok()) Note(replaced.message() + kDoneWithout);
}

std::optional<std::vector<float>> PictureStore::Find(const PictureKey& key, RowsShape shape) {
  if (!db_) return std::nullopt;
  Result<std::optional<Entry>> found = Read(key, shape);
  if (!found.ok()) {
    Handle(found.status());
    return std::nullopt;
  }
  if (!found->has_value()) return std::nullopt;
  Entry& entry = **found;
  if (!entry.whole) {
    Note(path_ + ": a damaged entry was dropped");
    Handle(Drop(entry.id));
    return std::nullopt;
  }
  // A store that cannot be written to can still be read.
  (void)Touch(entry.id).ok();
  return std::move(entry.rows);
}

Result<std::optional<PictureStore::Entry>> PictureStore::Read(const PictureKey& key,
                                                              RowsShape shape) const {
  // One state for both tables, whatever other processes remove meanwhile.
  const SqliteTransaction transaction(*db_, SqliteTransaction::Kind::kRead);
  MCV_RETURN_IF_ERROR(transaction.status());
  SqliteStatement select(*db_,
                         "SELECT id, num_rows, width, bytes, sha256 FROM pictures WHERE key = ?1");
  select.Bind(1, std::as_bytes(std::span(key)));
  MCV_ASSIGN_OR_RETURN(const bool row, select.Step());
  if (!row) return std::optional<Entry>();
  Entry entry;
  entry.id = select.Number(0);
  entry.shape = {select.Number(1), select.Number(2)};
  entry.bytes = select.Number(3);
  const std::span<const std::byte> sha256 = select.Bytes(4);
  if (sha256.size() == entry.sha256.size() && entry.shape == shape) {
    std::memcpy(entry.sha256.data(), sha256.data(), sha256.size());
    MCV_RETURN_IF_ERROR(ReadRows(shape, &entry));
    entry.whole = !entry.rows.empty() && Digest(key, shape, entry.rows) == entry.sha256;
  }
  return std::optional<Entry>(std::move(entry));
}

// Straight into the vector: a column's value would be one more copy of the picture. Leaves `rows`
// empty if what is there has another length.
Status PictureStore::ReadRows(RowsShape shape, Entry* entry) const {
  sqlite3_blob* blob = nullptr;
  const int opened = sqlite3_blob_open(db_->get(), "main", "data", "rows", entry->id, 0, &blob);
  if (opened == SQLITE_ERROR) return OkStatus();  // no such row
  Status status = opened == SQLITE_OK ? OkStatus() : db_->Error();
  const size_t bytes = shape.floats() * sizeof(float);
  if (status.ok() && static_cast<size_t>(sqlite3_blob_bytes(blob)) == bytes) {
    entry->rows.resize(shape.floats());
    const int read = sqlite3_blob_read(blob, entry->rows.data(), static_cast<int>(bytes), 0);
    if (read != SQLITE_OK) status = db_->Error();
  }
  sqlite3_blob_close(blob);
  return status;
}

Status PictureStore::Touch(int64_t id) const {
  SqliteStatement update(*db_,
                         "UPDATE pictures SET last_used = 1 + (SELECT max(last_used) FROM pictures)"
                         " WHERE id = ?1 AND last_used < (SELECT max(last_used) FROM pictures)");
  return update.Bind(1, id).Run();
}

Status PictureStore::Remove(int64_t id) const {
  for (const char* sql : {"DELETE FROM data WHERE id = ?1", "DELETE FROM pictures WHERE id = ?1"}) {
    SqliteStatement statement(*db_, sql);
    MCV_RETURN_IF_ERROR(statement.Bind(1, id).Run());
  }
  return OkStatus();
}

Status PictureStore::Drop(int64_t id) const {
  SqliteTransaction transaction(*db_, SqliteTransaction::Kind::kWrite);
  MCV_RETURN_IF_ERROR(transaction.status());
  MCV_RETURN_IF_ERROR(Remove(id));
  return transaction.Commit();
}

// Removes the least recently used pictures until `bytes` more fit. Inside a transaction.
Status PictureStore::MakeRoom(int64_t bytes) const {
  MCV_ASSIGN_OR_RETURN(int64_t total, db_->Number("SELECT sum(bytes) FROM pictures"));
  while (total > std::max<int64_t>(0, max_bytes_ - bytes)) {
    SqliteStatement oldest(*db_, "SELECT id, bytes FROM pictures ORDER BY last_used, id LIMIT 1");
    MCV_ASSIGN_OR_RETURN(const bool row, oldest.Step());
    if (!row) break;
    total -= oldest.Number(1);
    MCV_RETURN_IF_ERROR(Remove(oldest.Number(0)));
  }
  return OkStatus();
}

Status PictureStore::Shrink() const {
  MCV_ASSIGN_OR_RETURN(const int64_t total, db_->Number("SELECT sum(bytes) FROM pictures"));
  if (total <= max_bytes_) return OkStatus();
  {
    SqliteTransaction transaction(*db_, SqliteTransaction::Kind::kWrite);
    MCV_RETURN_IF_ERROR(transaction.status());
    MCV_RETURN_IF_ERROR(MakeRoom(0));
    MCV_RETURN_IF_ERROR(transaction.Commit());
  }
  return db_->Run("PRAGMA incremental_vacuum");
}

void PictureStore::Insert(const PictureKey& key, RowsShape shape, std::span<const float> rows) {
  if (db_ && static_cast<int64_t>(rows.size_bytes()) <= max_bytes_) Handle(Write(key, shape, rows));
}

Status PictureStore::Write(const PictureKey& key, RowsShape shape,
                           std::span<const float> rows) const {
  SqliteTransaction transaction(*db_, SqliteTransaction::Kind::kWrite);
  MCV_RETURN_IF_ERROR(transaction.status());
  SqliteStatement same(*db_, "SELECT id FROM pictures WHERE key = ?1");
  MCV_ASSIGN_OR_RETURN(const bool there, same.Bind(1, std::as_bytes(std::span(key))).Step());
  if (there) MCV_RETURN_IF_ERROR(Remove(same.Number(0)));
  const auto bytes = static_cast<int64_t>(rows.size_bytes());
  MCV_RETURN_IF_ERROR(MakeRoom(bytes));

  const std::array<uint8_t, 32> sha256 = Digest(key, shape, rows);
  SqliteStatement picture(*db_,
                          "INSERT INTO pictures(key, num_rows, width, bytes, sha256, last_used)"
                          " VALUES(?1, ?2, ?3, ?4, ?5,"
                          " 1 + coalesce((SELECT max(last_used) FROM pictures), 0))");
  picture.Bind(1, std::as_bytes(std::span(key))).Bind(2, shape.num_rows).Bind(3, shape.width);
  picture.Bind(4, bytes).Bind(5, std::as_bytes(std::span(sha256)));
  MCV_RETURN_IF_ERROR(picture.Run());
  SqliteStatement data(*db_, "INSERT INTO data(id, rows) VALUES(?1, ?2)");
  data.Bind(1, sqlite3_last_insert_rowid(db_->get())).Bind(2, std::as_bytes(rows));
  MCV_RETURN_IF_ERROR(data.Run());
  return transaction.Commit();
}

Result<PictureStoreSummary> PictureStore::Summarise(const std::string& folder) {
  PictureStoreSummary summary;
  summary.file = StoreFile(folder);
  if (!IsThere(summary.file)) return summary;
  MCV_ASSIGN_OR_RETURN(const SqliteConnection db, SqliteConnection::Open(summary.file, kBusyMs));
  bool ours = false, empty = false;
  MCV_RETURN_IF_ERROR(CheckKind(db, summary.file, &ours, &empty));
  if (!empty) {
    MCV_ASSIGN_OR_RETURN(summary.num_pictures, db.Number("SELECT count(*) FROM pictures"));
    MCV_ASSIGN_OR_RETURN(summary.rows_bytes, db.Number("SELECT sum(bytes) FROM pictures"));
  }
  summary.disk_bytes = BytesOnDisk(summary.file);
  return summary;
}

Status PictureStore::Clear(const std::string& folder) {
  const std::string path = StoreFile(folder);
  MCV_RETURN_IF_ERROR(RemoveFile(DamagedFile(path)));
  if (!IsThere(path)) return OkStatus();
  MCV_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Take(folder, kBusyMs));
  bool ours = false, empty = false;
  const Status status = [&]() -> Status {
    MCV_ASSIGN_OR_RETURN(const SqliteConnection db, SqliteConnection::Open(path, kBusyMs));
    MCV_RETURN_IF_ERROR(CheckKind(db, path, &ours, &empty));
    if (empty) return OkStatus();
    // VACUUM writes the file anew, so that nothing of the pictures stays in it.
    return db.Run(
        "BEGIN IMMEDIATE; DELETE FROM data; DELETE FROM pictures; COMMIT;"
        "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
  }();
  return ours && status.code() == StatusCode::kCorrupt ? RemoveStoreFiles(path) : status;
}

}  // namespace mcv
