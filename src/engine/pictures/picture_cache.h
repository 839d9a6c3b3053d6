// Pictures that were encoded before, so that asking about one again costs no encoding: the rows of
// the last few in memory, and of more in a file (picture_store.h) if a folder is named.
//
// Rows are kept as the encoder wrote them, so an answer from the cache is the answer without it,
// bit by bit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
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

// Shared by any number of sessions and engines; any thread. What is in memory is found without
// waiting for the disk.
class PictureCache {
  struct Flight;

 public:
  using Rows = std::shared_ptr<const std::vector<float>>;

  // The folder is not touched before the first Find.
  explicit PictureCache(PictureCacheOptions options);
  ~PictureCache();
  PictureCache(const PictureCache&) = delete;
  PictureCache& operator=(const PictureCache&) = delete;

  // The right to encode one picture: who holds it is the only one, and others that look for the
  // same picture wait until its rows are inserted or the claim is gone (an error, a cancelled
  // turn). Outlived by its cache.
  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept { *this = std::move(other); }
    Claim& operator=(Claim&& other) noexcept {
      std::swap(cache_, other.cache_);
      std::swap(key_, other.key_);
      std::swap(flight_, other.flight_);
      return *this;
    }
    ~Claim() {
      if (cache_ != nullptr) cache_->GiveUp(*this);
    }
    bool held() const { return cache_ != nullptr; }

   private:
    friend class PictureCache;
    PictureCache* cache_ = nullptr;
    PictureKey key_ = {};
    std::shared_ptr<Flight> flight_;
  };

  struct Found {
    Rows rows;  // null: not there
    PictureSource source = PictureSource::kEncoded;
    Claim claim;  // held by whoever finds nothing; keep it until the rows are inserted
  };
  // Waits while another thread encodes the same picture. With `cancel` it may be called off: then
  // nothing is found and nothing claimed.
  Found Find(const PictureKey& key, RowsShape shape, const std::atomic<bool>* cancel = nullptr);
  // The cache shares the rows; it does not copy them. Whoever waits for them has them before the
  // disk does.
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
  // Somebody looks for this picture on the disk or encodes it.
  struct Flight {
    bool over = false;
    Rows rows;  // for those who wait, whether or not the memory keeps them
  };

  Rows InMemory(const PictureKey& key, RowsShape shape);
  Rows OnDisk(const PictureKey& key, RowsShape shape);
  void TakeStoreNotes();
  void GiveUp(const Claim& claim);
  void Land(const PictureKey& key, Rows rows);
  void KeepInMemory(const PictureKey& key, Rows rows);
  void DropFromMemory();  // those not used for longest, until the rest fits

  const PictureCacheOptions options_;

  std::mutex store_mutex_;               // guards store_; never taken while mutex_ is held
  std::unique_ptr<PictureStore> store_;  // null: not opened yet, or no folder

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable landed_;
  std::map<PictureKey, std::shared_ptr<Flight>> flights_;
  std::list<Kept> kept_;  // the last used first
  std::map<PictureKey, std::list<Kept>::iterator> index_;
  int64_t memory_bytes_ = 0;
  int64_t max_memory_bytes_;
  std::vector<std::string> notes_;
};

}  // namespace mcv
