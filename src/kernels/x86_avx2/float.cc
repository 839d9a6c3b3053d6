// The fp32 kernels: generic/ over this leaf's vector.
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"

#define MCV_TARGET_NS x86_avx2

MCV_REGION_BEGIN("avx2,fma,f16c,bmi,bmi2")

// Each builds on the ones before.
// clang-format off
#include "kernels/x86_avx2/vec.h"
#include "kernels/generic/math-inl.h"
#include "kernels/generic/rows-inl.h"
#include "kernels/generic/attend-inl.h"
#include "kernels/generic/float_dot-inl.h"
// clang-format on

namespace mcv::MCV_TARGET_NS {
namespace {
// 6 x 2 sums, 2 weights and 1 token fill 15 of the 16 registers.
constexpr int64_t kStrip = 6;
// A panel of 16 KB stays in the first-level cache: from the second, the six cycles that a k takes
// here are too few to load its 64 bytes and the tokens.
constexpr int64_t kKBlock = 256;
}  // namespace
}  // namespace mcv::MCV_TARGET_NS

#include "kernels/generic/panel_f32-inl.h"

MCV_REGION_END

namespace mcv::MCV_TARGET_NS {

const DotKernel& FloatDot() { return kFloatDot; }
const PanelKernel& F32Panel() { return kF32Panel; }

void LoadRowAsFloats(DType type, const std::byte* row, int64_t n, float* out) {
  LoadRow(type, row, n, out);
}

void FillFloat(KernelTable* table) {
  table->layer_norm = LayerNormRow;
  table->rms_norm = RmsNormRow;
  table->rope = RopeHead;
  table->epilogue = ApplyEpilogue;
  table->swiglu = SwiGluRow;
  table->add_scaled = AddScaledRow;
  table->scale = ScaleRow;
  table->load_row = LoadRow;
  table->store_row = StoreRow;
  table->softmax_step = SoftmaxStep;
  table->attend = Attend;
}

}  // namespace mcv::MCV_TARGET_NS
