#include "engine/pictures/picture_cache.h"

#include <utility>

#include "engine/pictures/picture_store.h"

namespace mcv {
namespace {

int64_t BytesOf(const PictureCache::Rows& rows) {
  return static_cast<int64_t>(rows->size() * sizeof(float));
}

}  // namespace

PictureCache::PictureCache(PictureCacheOptions options)
    : options_(std::move(options)), max_memory_bytes_(options_.max_memory_bytes) {}
PictureCache::~PictureCache() = default;

PictureStore* PictureCache::Store() {
  if (options_.folder.empty()) return nullptr;
  if (!store_) store_ = std::make_unique<PictureStore>(options_.folder, options_.max_disk_bytes);
  return store_.get();
}

PictureCache::Found PictureCache::Find(const PictureKey& key, RowsShape shape) {
  const std::lock_guard lock(mutex_);
  const auto kept = index_.find(key);
  if (kept != index_.end() && kept->second->rows->size() == shape.floats()) {
    kept_.splice(kept_.begin(), kept_, kept->second);
    return {kept->second->rows, PictureSource::kMemory};
  }
  PictureStore* store = Store();
  if (store == nullptr) return {};
  std::optional<std::vector<float>> stored = store->Find(key, shape);
  if (!stored) return {};
  Rows rows = std::make_shared<const std::vector<float>>(*std::move(stored));
  KeepInMemory(key, rows);
  return {std::move(rows), PictureSource::kDisk};
}

void PictureCache::Insert(const PictureKey& key, RowsShape shape, Rows rows) {
  const std::lock_guard lock(mutex_);
  if (PictureStore* store = Store()) store->Insert(key, shape, *rows);
  KeepInMemory(key, std::move(rows));
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
  return store_ ? store_->TakeNotes() : std::vector<std::string>();
}

int64_t PictureCache::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_bytes_;
}

}  // namespace mcv
