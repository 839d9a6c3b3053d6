#include "model/text/kv_pages.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace mcv {

namespace {

int64_t BlocksFor(int64_t positions) { return (positions + kKvBlock - 1) / kKvBlock; }

// Empty if the system refuses.
std::shared_ptr<UntouchedMemory> NewBlock(const KvLayout& layout) {
  return std::make_shared<UntouchedMemory>(
      UntouchedMemory::Take(layout.block_bytes(), PageSize::kSmall));
}

template <typename Byte>
KvViewT<Byte> ViewOf(const KvLayout& layout, Byte* const* blocks, int layer, KvPart part) {
  KvViewT<Byte> view{layout.type, nullptr, layout.row_bytes, layout.head_bytes()};
  view.blocks = blocks;
  view.offset = layout.OffsetOf(layer, part);
  return view;
}

}  // namespace

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

KvLayout KvLayout::Of(const TextConfig& config, DType type) {
  const auto row_bytes = RowBytes(type, static_cast<uint64_t>(config.head_dim)).value_or(0);
  return {type, config.layers, config.kv_heads, static_cast<int64_t>(row_bytes)};
}

int64_t KvLayout::ResidentBytes(int64_t positions, int64_t page_bytes) const {
  const int64_t whole = positions / kKvBlock * block_bytes();
  const int64_t rest = positions % kKvBlock;
  if (rest == 0) return whole;
  // Every layer and head has keys and values of its own, filled from their start.
  const int64_t touched = (rest * row_bytes + 2 * page_bytes - 2) / page_bytes * page_bytes;
  return whole + 2 * layers * heads * std::min(head_bytes(), touched);
}

void KvSequence::Rewind(const SequenceMark& mark) {
  MCV_CHECK(mark.length >= 0 && mark.length <= length_);
  length_ = mark.length;
  const auto blocks = static_cast<size_t>(BlocksFor(length_));
  blocks_.resize(blocks);
  addresses_.resize(blocks);
}

std::unique_ptr<TextSequence> KvSequence::Fork() const {
  auto fork = std::make_unique<KvSequence>(*this);
  fork->Rewind(Mark());  // what was made room for and not stored stays with this one
  return fork;
}

Status KvSequence::Grow(int64_t count) {
  const auto needed = static_cast<size_t>(BlocksFor(length_ + count));
  if (count > 0 && length_ % kKvBlock != 0 &&
      blocks_[static_cast<size_t>(length_ / kKvBlock)].use_count() > 1) {
    MCV_RETURN_IF_ERROR(CopyLastBlock());
  }
  while (blocks_.size() < needed) {
    auto block = NewBlock(layout_);
    if (block->empty()) {
      Rewind(Mark());
      return ResourceExhausted("no memory for " + std::to_string(count) + " more positions (" +
                               std::to_string(layout_.block_bytes()) +
                               " bytes for each 256); choose a smaller context");
    }
    addresses_.push_back(block->data());
    blocks_.push_back(std::move(block));
  }
  return OkStatus();
}

// Only the rows that are stored: the rest of the copy stays untouched.
Status KvSequence::CopyLastBlock() {
  const auto last = static_cast<size_t>(length_ / kKvBlock);
  auto copy = NewBlock(layout_);
  if (copy->empty()) {
    return ResourceExhausted("no memory to continue a shared sequence (" +
                             std::to_string(layout_.block_bytes()) + " bytes); ask for fewer");
  }
  const auto bytes = static_cast<size_t>(length_ % kKvBlock * layout_.row_bytes);
  for (int64_t offset = 0; offset < layout_.block_bytes(); offset += layout_.head_bytes()) {
    std::memcpy(copy->data() + offset, addresses_[last] + offset, bytes);
  }
  addresses_[last] = copy->data();
  blocks_[last] = std::move(copy);
  return OkStatus();
}

template <typename Visit>
void KvSequence::ForEachPiece(int64_t length, const Visit& visit) const {
  for (int64_t begin = 0; begin < length; begin += kKvBlock) {
    std::byte* block = addresses_[static_cast<size_t>(begin / kKvBlock)];
    const int64_t bytes = std::min(kKvBlock, length - begin) * layout_.row_bytes;
    for (int64_t offset = 0; offset < layout_.block_bytes(); offset += layout_.head_bytes()) {
      visit(std::span(block + offset, static_cast<size_t>(bytes)));
    }
  }
}

void KvSequence::SaveState(const std::function<void(std::span<const std::byte>)>& write) const {
  ForEachPiece(length_, [&](std::span<std::byte> piece) { write(piece); });
}

Status KvSequence::LoadState(int64_t positions, std::span<const std::byte> bytes) {
  MCV_CHECK(length_ == 0 && static_cast<int64_t>(bytes.size()) == StateBytes(positions));
  MCV_RETURN_IF_ERROR(Grow(positions));
  ForEachPiece(positions, [&](std::span<std::byte> piece) {
    std::memcpy(piece.data(), bytes.data(), piece.size());
    bytes = bytes.subspan(piece.size());
  });
  Advance(positions);
  return OkStatus();
}

void KvSequence::Touch(int64_t count) {
  const int64_t end = length_ + count;
  MCV_CHECK(BlocksFor(end) <= static_cast<int64_t>(blocks_.size()));
  for (int64_t begin = length_; begin < end;) {
    const int64_t here = std::min(kKvBlock - begin % kKvBlock, end - begin);
    std::byte* block = addresses_[static_cast<size_t>(begin / kKvBlock)];
    const int64_t in_head = begin % kKvBlock * layout_.row_bytes;
    for (int64_t offset = 0; offset < layout_.block_bytes(); offset += layout_.head_bytes()) {
      UntouchedMemory::Touch(block + offset + in_head, here * layout_.row_bytes);
    }
    begin += here;
  }
}

void KvSequence::Advance(int64_t count) {
  length_ += count;
  MCV_CHECK(BlocksFor(length_) <= static_cast<int64_t>(blocks_.size()));
}

KvView KvSequence::View(int layer, KvPart part) const {
  return ViewOf<const std::byte>(layout_, addresses_.data(), layer, part);
}

MutableKvView KvSequence::Mutable(int layer, KvPart part) {
  return ViewOf<std::byte>(layout_, addresses_.data(), layer, part);
}

}  // namespace mcv
