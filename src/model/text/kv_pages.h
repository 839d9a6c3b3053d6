// Keys and values in blocks of 256 positions. A sequence is a list of blocks; sequences that begin
// the same share them, and what is shared is copied only when one of them writes into it.
//
//   block   [layer][keys, values][kv head][256 positions][head_dim]
//
// so that a head's keys lie behind each other and attention, which takes head by head and 256 keys
// at a time, reads memory in its order. A block's memory is taken from the system untouched:
// positions that were never reached cost address space only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/untouched_memory.h"
#include "family/config.h"
#include "kernels/kernels.h"
#include "model/text/text_model.h"

namespace mcv {

enum class KvPart { kKeys = 0, kValues = 1 };

// InvalidArgument if the model's heads cannot be stored as `type`: Q8_0 needs heads of whole
// blocks.
Status CheckCacheType(const TextConfig& config, DType type);

// Where what lies in a block.
struct KvLayout {
  DType type = DType::kF32;
  int layers = 0;
  int heads = 0;
  int64_t row_bytes = 0;  // of one position of one head

  // type: as CheckCacheType.
  static KvLayout Of(const TextConfig& config, DType type);

  int64_t head_bytes() const { return kKvBlock * row_bytes; }
  int64_t part_bytes() const { return heads * head_bytes(); }
  int64_t block_bytes() const { return 2 * layers * part_bytes(); }
  int64_t OffsetOf(int layer, KvPart part) const {
    return (2 * int64_t{layer} + static_cast<int>(part)) * part_bytes();
  }
  // Of all layers for one position: what one more token costs.
  int64_t bytes_per_position() const { return 2 * row_bytes * heads * layers; }
  // What `positions` of one sequence hold of memory, when the system gives it in pieces of
  // `page_bytes`.
  int64_t ResidentBytes(int64_t positions, int64_t page_bytes) const;
};

// One sequence's keys and values. One thread at a time; sequences that share blocks may be used by
// different threads, since nothing shared is ever written.
class KvSequence final : public TextSequence {
 public:
  explicit KvSequence(const KvLayout& layout) : layout_(layout) {}

  int64_t length() const override { return length_; }
  SequenceMark Mark() const override { return {length_}; }
  void Rewind(const SequenceMark& mark) override;
  std::unique_ptr<TextSequence> Fork() const override;
  int64_t StateBytes(int64_t positions) const override {
    return positions * layout_.bytes_per_position();
  }
  void SaveState(const std::function<void(std::span<const std::byte>)>& write) const override;
  Status LoadState(int64_t positions, std::span<const std::byte> bytes) override;

  // Makes room for positions [length, length + count) that only this sequence has: new blocks, and
  // a copy of the last one where it is shared. ResourceExhausted leaves the sequence as it was.
  Status Grow(int64_t count);
  // Takes the pages of those positions from the system at once, a few calls instead of a fault for
  // each.
  void Touch(int64_t count);
  // They have been stored in every layer.
  void Advance(int64_t count);

  const KvLayout& layout() const { return layout_; }
  KvView Keys(int layer) const { return View(layer, KvPart::kKeys); }
  KvView Values(int layer) const { return View(layer, KvPart::kValues); }
  // To store at positions that Grow made room for.
  MutableKvView Mutable(int layer, KvPart part);

 private:
  using Block = std::shared_ptr<UntouchedMemory>;

  KvView View(int layer, KvPart part) const;
  Status CopyLastBlock();
  // The rows of positions [0, length) of every head, block by block: each is one piece of memory.
  template <typename Visit>
  void ForEachPiece(int64_t length, const Visit& visit) const;

  KvLayout layout_;
  int64_t length_ = 0;
  std::vector<Block> blocks_;
  std::vector<std::byte*> addresses_;  // of blocks_
};

}  // namespace mcv
