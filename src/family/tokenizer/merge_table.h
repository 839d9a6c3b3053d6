// The merges of a byte-level BPE: which two tokens join, how early, and into which token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mcv {

// Filled once, then read by any number of threads. A probe touches one or two cache lines.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank = 0;  // lower joins first
    int32_t result = -1;
  };

  MergeTable() : MergeTable(0) {}
  explicit MergeTable(size_t expected);

  // False if the pair is there already.
  bool Insert(int32_t left, int32_t right, Merge merge);
  // nullptr if the two never join.
  const Merge* Find(int32_t left, int32_t right) const;
  size_t size() const { return size_; }

 private:
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // ids are never negative

  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  size_t size_ = 0;
};

}  // namespace mcv
