#include "model/text/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "base/checked.h"

namespace mcv {

namespace {

// Untouched memory, or null; the kernel gives pages when they are written.
std::unique_ptr<std::byte[]> TakeUntouched(int64_t bytes) {
  return std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[static_cast<size_t>(bytes)]);
}

std::optional<uint64_t> RowBytesOf(const TextConfig& config, DType type) {
  return RowBytes(type,
                  static_cast<uint64_t>(config.kv_heads) * static_cast<uint64_t>(config.head_dim));
}

}  // namespace

int64_t KvCache::ResidentBytes(const TextConfig& config, DType type, int64_t capacity,
                               int64_t positions, int64_t page_bytes) {
  const auto row_bytes = static_cast<int64_t>(RowBytesOf(config, type).value_or(0));
  // Every layer has a block of keys and one of values, filled from its start.
  const int64_t block = capacity * row_bytes;
  const int64_t touched = (positions * row_bytes + 2 * page_bytes - 2) / page_bytes * page_bytes;
  return 2 * config.layers * std::min(block, positions > 0 ? touched : 0);
}

Result<KvCache> KvCache::Create(const TextConfig& config, DType type, int64_t capacity) {
  if (capacity < 1) {
    return InvalidArgument("the context must hold at least 1 position, asked for " +
                           std::to_string(capacity));
  }
  const auto row_bytes = RowBytesOf(config, type);
  KvCache cache;
  cache.type_ = type;
  cache.layers_ = config.layers;
  cache.capacity_ = capacity;
  cache.row_bytes_ = static_cast<int64_t>(row_bytes.value_or(0));
  const auto bytes = CheckedProduct<int64_t>({2, config.layers, capacity, cache.row_bytes_});
  if (bytes && *bytes > 0) cache.data_ = TakeUntouched(*bytes);
  if (cache.data_ == nullptr) {
    return ResourceExhausted("no memory for a context of " + std::to_string(capacity) +
                             " positions (" + std::to_string(bytes.value_or(-1)) +
                             " bytes); choose a smaller context");
  }
  return cache;
}

void KvCache::Truncate(int64_t length) {
  MCV_CHECK(length >= 0 && length <= length_);
  length_ = length;
}

void KvCache::Advance(int64_t count) {
  length_ += count;
  MCV_CHECK(length_ <= capacity_);
}

std::byte* KvCache::KeyRow(int layer, int64_t position) {
  return data_.get() + (2 * int64_t{layer} * capacity_ + position) * row_bytes_;
}

std::byte* KvCache::ValueRow(int layer, int64_t position) {
  return data_.get() + ((2 * int64_t{layer} + 1) * capacity_ + position) * row_bytes_;
}

KvView KvCache::Keys(int layer) const {
  return {type_, data_.get() + 2 * int64_t{layer} * capacity_ * row_bytes_, row_bytes_};
}

KvView KvCache::Values(int layer) const {
  return {type_, data_.get() + (2 * int64_t{layer} + 1) * capacity_ * row_bytes_, row_bytes_};
}

Result<BeamSuffixes> BeamSuffixes::Create(const KvCache& cache, int beams, int64_t max_rows) {
  BeamSuffixes suffixes;
  suffixes.layers_ = cache.layers();
  suffixes.row_bytes_ = cache.row_bytes();
  suffixes.max_rows_ = max_rows;
  const auto bytes = CheckedProduct<int64_t>({2, cache.layers(), max_rows, cache.row_bytes()});
  for (int i = 0; i < 2 * beams; ++i) {
    Slot slot = bytes ? TakeUntouched(*bytes) : nullptr;
    if (slot == nullptr) {
      return ResourceExhausted("no memory for " + std::to_string(beams) + " beams of " +
                               std::to_string(max_rows) + " tokens; ask for fewer");
    }
    (i < beams ? suffixes.slots_ : suffixes.spares_).push_back(std::move(slot));
  }
  return suffixes;
}

std::byte* BeamSuffixes::Rows(int beam, int layer, int part) const {
  return slots_[static_cast<size_t>(beam)].get() +
         (2 * int64_t{layer} + part) * max_rows_ * row_bytes_;
}

void BeamSuffixes::Reorder(std::span<const int> parents) {
  MCV_CHECK(parents.size() == slots_.size());
  bool changed = false;
  for (size_t b = 0; b < parents.size(); ++b) changed |= parents[b] != static_cast<int>(b);
  if (!changed) return;
  for (size_t b = 0; b < parents.size(); ++b) {
    for (int block = 0; block < 2 * layers_; ++block) {  // keys and values of every layer
      const int64_t offset = block * max_rows_ * row_bytes_;
      std::memcpy(spares_[b].get() + offset, slots_[static_cast<size_t>(parents[b])].get() + offset,
                  static_cast<size_t>(rows_ * row_bytes_));
    }
  }
  slots_.swap(spares_);
}

void BeamSuffixes::Load(int beam, int layer, KvCache& cache) const {
  const size_t bytes = static_cast<size_t>(rows_ * row_bytes_);
  std::memcpy(cache.KeyRow(layer, cache.length()), Rows(beam, layer, 0), bytes);
  std::memcpy(cache.ValueRow(layer, cache.length()), Rows(beam, layer, 1), bytes);
}

void BeamSuffixes::KeepNewRow(int beam, int layer, KvCache& cache) {
  const size_t bytes = static_cast<size_t>(row_bytes_);
  const int64_t offset = rows_ * row_bytes_;
  std::memcpy(Rows(beam, layer, 0) + offset, cache.KeyRow(layer, cache.length() + rows_), bytes);
  std::memcpy(Rows(beam, layer, 1) + offset, cache.ValueRow(layer, cache.length() + rows_), bytes);
}

}  // namespace mcv
