#include "family/tokenizer/vocabulary.h"

#include <functional>

#include "base/random.h"

namespace mcv {
namespace {

uint64_t HashBytes(std::string_view bytes) { return MixBits(std::hash<std::string_view>{}(bytes)); }

}  // namespace

Vocabulary::Vocabulary(int count) : tokens_(static_cast<size_t>(count)) {
  size_t num_slots = 64;
  while (num_slots < 2 * tokens_.size()) num_slots *= 2;
  slots_.resize(num_slots);
}

void Vocabulary::Set(int32_t id, std::string_view bytes, TokenKind kind) {
  tokens_[id] = {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(bytes.size()), kind};
  arena_.append(bytes);
}

int32_t Vocabulary::Index(int32_t id) {
  if (2 * (num_indexed_ + 1) > slots_.size()) GrowIndex();
  const uint64_t hash = HashBytes(bytes(id));
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot].id >= 0; slot = (slot + 1) & mask) {
    if (slots_[slot].hash == static_cast<uint32_t>(hash >> 32) &&
        bytes(slots_[slot].id) == bytes(id)) {
      return slots_[slot].id;
    }
  }
  slots_[slot] = {id, static_cast<uint32_t>(hash >> 32)};
  ++num_indexed_;
  return -1;
}

void Vocabulary::GrowIndex() {
  std::vector<Slot> old(slots_.empty() ? 64 : 2 * slots_.size());
  old.swap(slots_);
  num_indexed_ = 0;
  for (const Slot& slot : old) {
    if (slot.id >= 0) Index(slot.id);
  }
}

int32_t Vocabulary::Find(std::string_view bytes) const {
  if (slots_.empty()) return -1;
  const uint64_t hash = HashBytes(bytes);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot].id >= 0; slot = (slot + 1) & mask) {
    if (slots_[slot].hash == static_cast<uint32_t>(hash >> 32) &&
        this->bytes(slots_[slot].id) == bytes) {
      return slots_[slot].id;
    }
  }
  return -1;
}

}  // namespace mcv
