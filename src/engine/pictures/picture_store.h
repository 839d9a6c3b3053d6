// Rows of encoded pictures in a file that any number of processes share: an SQLite database,
// `pictures.sqlite` in a folder of its own.
//
// A store helps or stays out of the way, it never fails the caller: whatever goes wrong with the
// file becomes a note, and the picture is encoded as if there were no store. What is read is
// checked (shape, length, SHA-256 over key and rows); a damaged entry is dropped, a damaged file is
// begun anew. Writes are transactions: a process that is killed in one leaves the state before it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/pictures/picture_key.h"
#include "engine/pictures/sqlite.h"

namespace mcv {

struct PictureStoreSummary {
  std::string file;
  int64_t num_pictures = 0;
  int64_t rows_bytes = 0;  // of the pictures' rows
  int64_t disk_bytes = 0;  // of the file and those that SQLite keeps beside it
};

// One thread at a time; the caller locks.
class PictureStore {
 public:
  // Long enough for another process to store the largest picture on a slow disk.
  static constexpr int kBusyMs = 2000;

  // Makes the folder (open to its owner only) and the file if they are missing, and removes the
  // least recently used pictures above max_bytes. Waits up to busy_ms for other processes.
  PictureStore(const std::string& folder, int64_t max_bytes, int busy_ms = kBusyMs);

  // The rows, if they are there and whole.
  std::optional<std::vector<float>> Find(const PictureKey& key, RowsShape shape);
  // Replaces what was stored under the key. The least recently used pictures make room; a picture
  // that is larger than the whole store is not kept.
  void Insert(const PictureKey& key, RowsShape shape, std::span<const float> rows);

  // What went wrong since the last call: sentences that name the file. Each is told once.
  std::vector<std::string> TakeNotes();

  // Of a folder's store, without creating one. InvalidArgument for a file that is something else.
  static Result<PictureStoreSummary> Summarise(const std::string& folder);
  // Removes every picture, also from under other processes. InvalidArgument as above.
  static Status Clear(const std::string& folder);

 private:
  struct Entry;

  Status Connect();
  Status OpenFile();
  Status CreateTables(const SqliteConnection& db) const;
  // Begins anew; `reason` says why.
  Status Replace(const Status& reason);
  Status SetAside();
  void Handle(const Status& trouble);
  void Note(const std::string& note);

  Result<std::optional<Entry>> Read(const PictureKey& key, RowsShape shape) const;
  Status ReadRows(RowsShape shape, Entry* entry) const;
  Status Touch(int64_t id) const;
  Status Remove(int64_t id) const;
  Status Drop(int64_t id) const;
  Status MakeRoom(int64_t bytes) const;
  Status Shrink() const;
  Status Write(const PictureKey& key, RowsShape shape, std::span<const float> rows) const;

  std::string folder_;
  std::string path_;
  int64_t max_bytes_;
  int busy_ms_;
  std::optional<SqliteConnection> db_;  // empty: the store stays out of the way
  ino_t inode_ = 0;                     // of the file that db_ has open
  bool ours_ = false;                   // the file that was opened last is a picture store
  std::vector<std::string> notes_;
  std::vector<std::string> told_;
};

}  // namespace mcv
