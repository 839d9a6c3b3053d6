// Counter-based random numbers: a stream is a pure function of its key, so results do not depend on
// thread order and any position can be reached without drawing the ones before it.
#pragma once

#include <cmath>
#include <cstdint>

namespace mcv {

// The SplitMix64 finaliser (Steele, Lea, Flood 2014): a bijection that mixes all 64 bits.
inline uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

class RandomStream {
 public:
  // Streams with different (seed, stream) are independent for practical purposes.
  explicit RandomStream(uint64_t seed, uint64_t stream = 0)
      : key_(MixBits(MixBits(seed) ^ (stream * 0xd1342543de82ef95ull + 1))) {}

  uint64_t NextBits() { return MixBits(key_ + counter_++ * 0x9e3779b97f4a7c15ull); }
  // Uniform in [0, 1), 53 bits.
  double NextDouble() { return static_cast<double>(NextBits() >> 11) * 0x1p-53; }
  double Uniform(double low, double high) { return low + (high - low) * NextDouble(); }
  // Uniform in [0, bound), bound > 0; the bias of the multiply-shift is below 2^-32 for small
  // bounds.
  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>(((NextBits() >> 32) * uint64_t{bound}) >> 32);
  }
  bool Chance(double probability) { return NextDouble() < probability; }
  // Standard normal (Box-Muller; two draws each).
  double Normal() {
    const double u = 1.0 - NextDouble();
    const double v = NextDouble();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

  uint64_t position() const { return counter_; }
  void set_position(uint64_t position) { counter_ = position; }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace mcv
