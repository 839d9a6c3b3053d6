// Keys and values of every position so far, one block per layer. Memory is taken from the system
// untouched: positions that were never reached cost address space only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/untouched_memory.h"
#include "family/config.h"
#include "kernels/kernels.h"

namespace mcv {

enum class KvPart { kKeys = 0, kValues = 1 };

// InvalidArgument if the model's heads cannot be stored as `type`: Q8_0 needs heads of whole
// blocks.
Status CheckCacheType(const TextConfig& config, DType type);

// One conversation's cache. One thread. Layout per layer: keys [G, capacity, D], then values: a
// head's keys lie behind each other, so that attention, which takes head by head, reads memory in
// its order.
class KvCache {
 public:
  // type: as CheckCacheType. ResourceExhausted with the bytes asked for when they cannot be had.
  static Result<KvCache> Create(const TextConfig& config, DType type, int64_t capacity);

  // What `positions` stored ones hold of the memory of a cache with this capacity, when the system
  // gives it in pieces of `page_bytes`; all of it at positions == capacity.
  static int64_t ResidentBytes(const TextConfig& config, DType type, int64_t capacity,
                               int64_t positions, int64_t page_bytes);

  DType type() const { return type_; }
  int layers() const { return layers_; }
  int heads() const { return heads_; }
  int64_t capacity() const { return capacity_; }
  int64_t length() const { return length_; }
  // Of one position of one head.
  int64_t row_bytes() const { return row_bytes_; }
  // Bytes of all layers for one position: what one more token costs.
  int64_t bytes_per_position() const { return 2 * row_bytes_ * heads_ * layers_; }

  // Forgets the positions from `length` on; they are overwritten by what comes next.
  void Truncate(int64_t length);
  // Positions [length, length + count) will be stored: takes their pages from the system at once, a
  // few calls instead of a fault for every page.
  void Prepare(int64_t count);
  // Positions [length, length + count) have been stored in every layer.
  void Advance(int64_t count);

  KvView Keys(int layer) const { return View(layer, KvPart::kKeys); }
  KvView Values(int layer) const { return View(layer, KvPart::kValues); }
  // Where positions from `position` on are stored.
  MutableKvView At(int layer, KvPart part, int64_t position);

 private:
  KvCache() = default;
  KvView View(int layer, KvPart part) const;
  std::byte* PartData(int layer, KvPart part) const;

  DType type_ = DType::kF32;
  int layers_ = 0;
  int heads_ = 0;
  int64_t capacity_ = 0;
  int64_t length_ = 0;
  int64_t row_bytes_ = 0;
  UntouchedMemory data_;
};

// Beam search over one shared prefix: only what each beam added is kept apart, and is put behind
// the prefix while that beam attends. Moving a few hundred rows per layer and step is far below the
// weights that the step reads anyway.
class BeamSuffixes {
 public:
  // max_rows: the most rows that a beam can add.
  static Result<BeamSuffixes> Create(const KvCache& cache, int beams, int64_t max_rows);
  // What Create takes, where a position of the cache has `position_bytes`.
  static int64_t BytesFor(int64_t position_bytes, int beams, int64_t max_rows) {
    return 2 * beams * max_rows * position_bytes;
  }

  int beams() const { return static_cast<int>(slots_.size()); }
  int64_t rows() const { return rows_; }
  int64_t max_rows() const { return max_rows_; }

  // Beam b goes on from what beam parents[b] had.
  void Reorder(std::span<const int> parents);
  // Copies beam's rows of `layer` behind the prefix of `cache`.
  void Load(int beam, int layer, KvCache& cache) const;
  // Takes over the row that was just stored behind the loaded ones.
  void KeepNewRow(int beam, int layer, KvCache& cache);
  // Every beam and layer has its new row.
  void Advance() { ++rows_; }

 private:
  using Slot = UntouchedMemory;
  BeamSuffixes() = default;
  std::byte* Rows(int beam, int layer, KvPart part, int head) const;

  int layers_ = 0;
  int heads_ = 0;
  int64_t row_bytes_ = 0;
  int64_t max_rows_ = 0;
  int64_t rows_ = 0;
  std::vector<Slot> slots_;   // one per beam: [layers, 2, heads, max_rows, row_bytes]
  std::vector<Slot> spares_;  // as many again, for reordering
};

}  // namespace mcv
