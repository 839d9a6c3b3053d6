#include "trainer/modules/cpu/row_kernels.h"

#include <algorithm>

namespace mcv::trainer {

int64_t AttentionScratchFloats(int64_t longest_query, int64_t longest_key, int64_t head_dim) {
  const auto round_up = [](int64_t n) { return (n + 15) / 16 * 16; };
  const int64_t q = round_up(std::max<int64_t>(longest_query, 1));
  const int64_t k = round_up(std::max<int64_t>(longest_key, 1));
  const int64_t d = round_up(head_dim);
  // The backward call is the larger one: three query-sized, six key-sized and three score-sized
  // parts.
  return 3 * q * d + 6 * k * d + 3 * q * k + 64;
}

const RowKernels& BestRowKernels() {
#if defined(__x86_64__)
  static const RowKernels& best = []() -> const RowKernels& {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      return Avx512RowKernels();
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Avx2RowKernels();
    return BaseRowKernels();
  }();
  return best;
#else
  return BaseRowKernels();
#endif
}

}  // namespace mcv::trainer
