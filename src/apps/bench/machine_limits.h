// What this machine can do at most, measured: the denominators of every "share of the limit".
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mcv::bench {

struct Limits {
  double read_bytes = 0;  // bytes a second, streamed from memory
  double fp32_ops = 0;    // multiplications and additions a second, all threads together
  double bf16_ops = 0;    // 0 where the processor has no such instruction
  double int8_ops = 0;
  double int16_ops = 0;  // where floats are multiplied that way: AVX2 without anything wider
};

// Best of `rounds` short measurements with all `threads` at once: on a shared machine the best is
// the one that was disturbed least. `target` names the kernels that the limits are for ("avx2": no
// wider instruction is counted); empty stands for the best that the machine has. Takes 512 MB while
// it runs.
Limits MeasureLimits(int threads, int rounds = 20, std::string_view target = "");

// Bytes a second that all `threads` together read from memory, on average over some `seconds`: what
// a run beside it can be held against on a machine whose rate moves from minute to minute. Takes
// 512 MB while it runs.
double MeasureReadRate(int threads, double seconds);

// Reads them once, as fast as the calling thread can, and returns their sum, so that no compiler
// leaves it out. As four streams, which a processor follows faster than one (1.12 times on Zen 3).
// What is left over of four times 64 bytes is not read.
uint64_t ReadAll(std::span<const uint64_t> words);

// The larger of each.
Limits Best(const Limits& a, const Limits& b);

}  // namespace mcv::bench
