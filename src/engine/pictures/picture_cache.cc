#include "engine/pictures/picture_cache.h"

#include <chrono>
#include <utility>

#include "engine/pictures/picture_store.h"

namespace mcv {
namespace {

// How soon somebody who waits for another's picture notices that he need not.
constexpr std::chrono::milliseconds kLookAtCancel{20};

int64_t BytesOf(const PictureCache::Rows& rows) {
  return static_cast<int64_t>(rows->size() * sizeof(float));
}

}  // namespace

PictureCache::PictureCache(PictureCacheOptions options)
    : options_(std::move(options)), max_memory_bytes_(options_.max_memory_bytes) {}
PictureCache::~PictureCache() = default;

PictureCache::Rows PictureCache::InMemory(const PictureKey& key, RowsShape shape) {
  const auto kept = index_.find(key);
  if (kept == index_.end() || kept->second->rows->size() != shape.floats()) return nullptr;
  kept_.splice(kept_.begin(), kept_, kept->second);
  return kept->second->rows;
}

// Other threads go on: those that look for this picture wait for its flight, the others find theirs
// in memory.
PictureCache::Rows PictureCache::OnDisk(const PictureKey& key, RowsShape shape) {
  if (options_.folder.empty()) return nullptr;
  const std::lock_guard lock(store_mutex_);
  if (!store_) store_ = std::make_unique<PictureStore>(options_.folder, options_.max_disk_bytes);
  std::optional<std::vector<float>> stored = store_->Find(key, shape);
  TakeStoreNotes();
  return stored ? std::make_shared<const std::vector<float>>(*std::move(stored)) : nullptr;
}

void PictureCache::TakeStoreNotes() {
  std::vector<std::string> notes = store_->TakeNotes();
  if (notes.empty()) return;
  const std::lock_guard lock(mutex_);
  notes_.insert(notes_.end(), notes.begin(), notes.end());
}

PictureCache::Found PictureCache::Find(const PictureKey& key, RowsShape shape,
                                       const std::atomic<bool>* cancel) {
  Found found;
  auto own = std::make_shared<Flight>();
  {
    std::unique_lock lock(mutex_);
    while (true) {
      if (Rows rows = InMemory(key, shape)) return {std::move(rows), PictureSource::kMemory, {}};
      const auto [at, first] = flights_.try_emplace(key, own);
      if (first) break;
      const std::shared_ptr<Flight> flight = at->second;
      while (!flight->over) {
        if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return {};
        landed_.wait_for(lock, kLookAtCancel);
      }
      if (flight->rows != nullptr && flight->rows->size() == shape.floats()) {
        return {flight->rows, PictureSource::kMemory, {}};
      }
    }
  }
  found.claim.cache_ = this;
  found.claim.key_ = key;
  found.claim.flight_ = std::move(own);
  found.rows = OnDisk(key, shape);
  if (found.rows == nullptr) return found;
  found.source = PictureSource::kDisk;
  Land(key, found.rows);
  return found;
}

void PictureCache::Insert(const PictureKey& key, RowsShape shape, Rows rows) {
  Land(key, rows);
  if (options_.folder.empty()) return;
  const std::lock_guard lock(store_mutex_);
  if (!store_) store_ = std::make_unique<PictureStore>(options_.folder, options_.max_disk_bytes);
  store_->Insert(key, shape, *rows);
  TakeStoreNotes();
}

// Nothing came of it: one of those who wait goes on in its place.
void PictureCache::GiveUp(const Claim& claim) {
  const std::lock_guard lock(mutex_);
  const auto flight = flights_.find(claim.key_);
  if (flight == flights_.end() || flight->second != claim.flight_) return;  // landed long ago
  flight->second->over = true;
  flights_.erase(flight);
  landed_.notify_all();
}

void PictureCache::Land(const PictureKey& key, Rows rows) {
  const std::lock_guard lock(mutex_);
  const auto flight = flights_.find(key);
  if (flight != flights_.end()) {
    flight->second->over = true;
    flight->second->rows = rows;
    flights_.erase(flight);
    landed_.notify_all();
  }
  if (rows != nullptr) KeepInMemory(key, std::move(rows));
}

void PictureCache::KeepInMemory(const PictureKey& key, Rows rows) {
  const auto old = index_.find(key);
  if (old != index_.end()) {
    memory_bytes_ -= BytesOf(old->second->rows);
    kept_.erase(old->second);
    index_.erase(old);
  }
  if (BytesOf(rows) > max_memory_bytes_) return;
  memory_bytes_ += BytesOf(rows);
  kept_.push_front({key, std::move(rows)});
  index_[key] = kept_.begin();
  DropFromMemory();
}

void PictureCache::DropFromMemory() {
  while (memory_bytes_ > max_memory_bytes_) {
    memory_bytes_ -= BytesOf(kept_.back().rows);
    index_.erase(kept_.back().key);
    kept_.pop_back();
  }
}

void PictureCache::StopKeepingInMemory() {
  const std::lock_guard lock(mutex_);
  max_memory_bytes_ = 0;
  DropFromMemory();
}

std::vector<std::string> PictureCache::TakeNotes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(notes_, {});
}

int64_t PictureCache::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_bytes_;
}

}  // namespace mcv
