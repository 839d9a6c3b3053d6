#include "model/text/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/checked.h"

namespace mcv {

Status CheckCacheType(const TextConfig& config, DType type) {
  const DTypeTraits& traits = Traits(type);
  if (!IsKvType(type)) {
    return InvalidArgument("keys and values cannot be stored as " + std::string(traits.name) +
                           ", only as F32, F16, BF16 or Q8_0");
  }
  if (config.head_dim % static_cast<int>(traits.block_elements) != 0) {
    return InvalidArgument("keys and values cannot be stored as " + std::string(traits.name) +
                           ": this model's heads have " + std::to_string(config.head_dim) +
                           " elements, not a multiple of " + std::to_string(traits.block_elements) +
                           "; choose F16");
  }
  return OkStatus();
}

int64_t KvCache::ResidentBytes(const TextConfig& config, DType type, int64_t capacity,
                               int64_t positions, int64_t page_bytes) {
  const auto row_bytes =
      static_cast<int64_t>(RowBytes(type, static_cast<uint64_t>(config.head_dim)).value_or(0));
  // Every layer and head has a block of keys and one of values, filled from its start.
  const int64_t block = capacity * row_bytes;
  const int64_t touched = (positions * row_bytes + 2 * page_bytes - 2) / page_bytes * page_bytes;
  return 2 * config.layers * config.kv_heads * std::min(block, positions > 0 ? touched : 0);
}

Result<KvCache> KvCache::Create(const TextConfig& config, DType type, int64_t capacity) {
  if (capacity < 1) {
    return InvalidArgument("the context must hold at least 1 position, asked for " +
                           std::to_string(capacity));
  }
  MCV_RETURN_IF_ERROR(CheckCacheType(config, type));
  KvCache cache;
  cache.type_ = type;
  cache.layers_ = config.layers;
  cache.heads_ = config.kv_heads;
  cache.capacity_ = capacity;
  cache.row_bytes_ =
      static_cast<int64_t>(RowBytes(type, static_cast<uint64_t>(config.head_dim)).value_or(0));
  const auto bytes =
      CheckedProduct<int64_t>({2, config.layers, config.kv_heads, capacity, cache.row_bytes_});
  if (bytes && *bytes > 0) cache.data_ = UntouchedMemory::Take(*bytes, PageSize::kSmall);
  if (cache.data_.empty()) {
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

void KvCache::Prepare(int64_t count) {
  MCV_CHECK(length_ + count <= capacity_);
  for (int64_t block = 0; block < 2 * int64_t{layers_} * heads_; ++block) {
    UntouchedMemory::Touch(data_.data() + (block * capacity_ + length_) * row_bytes_,
                           count * row_bytes_);
  }
}

void KvCache::Advance(int64_t count) {
  length_ += count;
  MCV_CHECK(length_ <= capacity_);
}

std::byte* KvCache::PartData(int layer, KvPart part) const {
  const int64_t index = 2 * int64_t{layer} + static_cast<int>(part);
  return data_.data() + index * heads_ * capacity_ * row_bytes_;
}

KvView KvCache::View(int layer, KvPart part) const {
  return {type_, PartData(layer, part), row_bytes_, capacity_ * row_bytes_};
}

MutableKvView KvCache::At(int layer, KvPart part, int64_t position) {
  return {type_, PartData(layer, part) + position * row_bytes_, row_bytes_, capacity_ * row_bytes_};
}

Result<BeamSuffixes> BeamSuffixes::Create(const KvCache& cache, int beams, int64_t max_rows) {
  BeamSuffixes suffixes;
  suffixes.layers_ = cache.layers();
  suffixes.heads_ = cache.heads();
  suffixes.row_bytes_ = cache.row_bytes();
  suffixes.max_rows_ = max_rows;
  const auto bytes =
      CheckedProduct<int64_t>({2, cache.layers(), cache.heads(), max_rows, cache.row_bytes()});
  for (int i = 0; i < 2 * beams; ++i) {
    Slot slot = bytes && *bytes > 0 ? Slot::Take(*bytes, PageSize::kSmall) : Slot();
    if (slot.empty()) {
      return ResourceExhausted("no memory for " + std::to_string(beams) + " beams of " +
                               std::to_string(max_rows) + " tokens; ask for fewer");
    }
    (i < beams ? suffixes.slots_ : suffixes.spares_).push_back(std::move(slot));
  }
  return suffixes;
}

std::byte* BeamSuffixes::Rows(int beam, int layer, KvPart part, int head) const {
  const int64_t index = (2 * int64_t{layer} + static_cast<int>(part)) * heads_ + head;
  return slots_[static_cast<size_t>(beam)].data() + index * max_rows_ * row_bytes_;
}

void BeamSuffixes::Reorder(std::span<const int> parents) {
  MCV_CHECK(parents.size() == slots_.size());
  bool changed = false;
  for (size_t b = 0; b < parents.size(); ++b) changed |= parents[b] != static_cast<int>(b);
  if (!changed) return;
  for (size_t b = 0; b < parents.size(); ++b) {
    const std::byte* parent = slots_[static_cast<size_t>(parents[b])].data();
    for (int block = 0; block < 2 * layers_ * heads_; ++block) {
      const int64_t offset = block * max_rows_ * row_bytes_;
      std::memcpy(spares_[b].data() + offset, parent + offset,
                  static_cast<size_t>(rows_ * row_bytes_));
    }
  }
  slots_.swap(spares_);
}

void BeamSuffixes::Load(int beam, int layer, KvCache& cache) const {
  for (const KvPart part : {KvPart::kKeys, KvPart::kValues}) {
    const MutableKvView to = cache.At(layer, part, cache.length());
    for (int h = 0; h < heads_; ++h) {
      std::memcpy(to.data + h * to.head_bytes, Rows(beam, layer, part, h),
                  static_cast<size_t>(rows_ * row_bytes_));
    }
  }
}

void BeamSuffixes::KeepNewRow(int beam, int layer, KvCache& cache) {
  for (const KvPart part : {KvPart::kKeys, KvPart::kValues}) {
    const MutableKvView from = cache.At(layer, part, cache.length() + rows_);
    for (int h = 0; h < heads_; ++h) {
      std::memcpy(Rows(beam, layer, part, h) + rows_ * row_bytes_, from.data + h * from.head_bytes,
                  static_cast<size_t>(row_bytes_));
    }
  }
}

}  // namespace mcv
