// Integer arithmetic on numbers that came from outside: overflow is an answer, not an accident.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>

namespace mcv {

template <std::integral T>
std::optional<T> CheckedAdd(T a, T b) {
  T out;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

template <std::integral T>
std::optional<T> CheckedMul(T a, T b) {
  T out;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

// The product of all factors, or nothing if it does not fit.
template <std::integral T>
std::optional<T> CheckedProduct(std::initializer_list<T> factors) {
  T product = 1;
  for (T factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) return std::nullopt;
  }
  return product;
}

// value rounded up to a multiple of alignment (a power of two), or nothing if that does not fit.
inline std::optional<uint64_t> CheckedAlignUp(uint64_t value, uint64_t alignment) {
  auto sum = CheckedAdd<uint64_t>(value, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

}  // namespace mcv
