#include "family/tokenizer/merge_table.h"

#include "base/random.h"
#include "base/status.h"

namespace mcv {
namespace {

uint64_t KeyOf(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(size_t expected) {
  size_t num_slots = 16;
  while (num_slots < 2 * expected) num_slots *= 2;
  slots_.resize(num_slots);
}

bool MergeTable::Insert(int32_t left, int32_t right, Merge merge) {
  MCV_CHECK(2 * (size_ + 1) <= slots_.size() + 1);  // `expected` was too small
  const uint64_t key = KeyOf(left, right);
  const size_t mask = slots_.size() - 1;
  size_t slot = MixBits(key) & mask;
  for (; slots_[slot].key != kEmpty; slot = (slot + 1) & mask) {
    if (slots_[slot].key == key) return false;
  }
  slots_[slot] = {key, merge};
  ++size_;
  return true;
}

const MergeTable::Merge* MergeTable::Find(int32_t left, int32_t right) const {
  const uint64_t key = KeyOf(left, right);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = MixBits(key) & mask; slots_[slot].key != kEmpty; slot = (slot + 1) & mask) {
    if (slots_[slot].key == key) return &slots_[slot].merge;
  }
  return nullptr;
}

}  // namespace mcv
