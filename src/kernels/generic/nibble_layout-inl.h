// The types in blocks of 32 with nibbles: Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL. An element is
//   d * q + m, q in 0..15 or 0..31;  m is stored, or -8 d (Q4_0), -16 d (Q5_0).
// For IQ4_NL q is an unequal step of a table plus 128, and m is -128 d.
// Include inside a region.
#pragma once

namespace mcv::MCV_TARGET_NS {
namespace {

constexpr int64_t kElements = 32;

// Where a block keeps what.
struct NibbleLayout {
  int64_t bytes;       // of a block; the scale d is its first two
  bool minimum;        // m is stored behind d; else it is
  float offset;        // this multiple of d
  int64_t fifth_bits;  // where the 32 of them are; 0: none
  int64_t nibbles;     // 16 bytes: elements 0..15 in the low halves, 16..31 in the high ones
};

template <DType kType>
constexpr NibbleLayout LayoutOf() {
  if constexpr (kType == DType::kQ4_0) return {18, false, -8, 0, 2};
  if constexpr (kType == DType::kQ4_1) return {20, true, 0, 0, 4};
  if constexpr (kType == DType::kQ5_0) return {22, false, -16, 2, 6};
  if constexpr (kType == DType::kQ5_1) return {24, true, 0, 4, 8};
  if constexpr (kType == DType::kIQ4_NL) return {18, false, -128, 0, 2};
}

}  // namespace
}  // namespace mcv::MCV_TARGET_NS
