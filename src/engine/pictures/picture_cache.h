// Pictures that were encoded before, so that asking about one again costs no encoding: the rows of
// the last few in memory, and of more in a file (picture_store.h) if a folder is named.
//
// Rows are kept as the encoder wrote them, so an answer from the cache is the answer without it,
// bit by bit.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/pictures/picture_key.h"
#include "engine/stats.h"

namespace mcv {

class PictureStore;

struct PictureCacheOptions {
  std::string folder;  // empty: memory only, nothing is written
  int64_t max_memory_bytes = int64_t{256} << 20;
  int64_t max_disk_bytes = int64_t{1} << 30;  // of rows; the file is a little larger
};

// Shared by any number of sessions and engines; any thread.
class PictureCache {
 public:
  using Rows = std::shared_ptr<const std::vector<float>>;

  // The folder is not touched before the first Find.
  explicit PictureCache(PictureCacheOptions options);
  ~PictureCache();
  PictureCache(const PictureCache&) = delete;
  PictureCache& operator=(const PictureCache&) = delete;

  struct Found {
    Rows rows;  // null: not there
    PictureSource source = PictureSource::kEncoded;
  };
  Found Find(const PictureKey& key, RowsShape shape);
  // The cache shares the rows; it does not copy them.
  void Insert(const PictureKey& key, RowsShape shape, Rows rows);

  // From now on only sessions hold rows, and the file: for who counts every byte of memory.
  void StopKeepingInMemory();

  // What kept the file from being used, since the last call.
  std::vector<std::string> TakeNotes();

  const PictureCacheOptions& options() const { return options_; }
  // Of the rows held in memory.
  int64_t memory_bytes() const;

 private:
  struct Kept {
    PictureKey key;
    Rows rows;
  };

  PictureStore* Store();
  void KeepInMemory(const PictureKey& key, Rows rows);
  void DropFromMemory();  // those not used for longest, until the rest fits

  const PictureCacheOptions options_;
  mutable std::mutex mutex_;  // guards everything below
  std::list<Kept> kept_;      // the last used first
  std::map<PictureKey, std::list<Kept>::iterator> index_;
  int64_t memory_bytes_ = 0;
  int64_t max_memory_bytes_;
  std::unique_ptr<PictureStore> store_;  // null: not opened yet, or no folder
};

}  // namespace mcv
