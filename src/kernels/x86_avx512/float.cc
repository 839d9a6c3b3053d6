// The fp32 kernels: generic/ over this leaf's vector.
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/generic/region.h"
#include "kernels/x86_avx2/leaf.h"
#include "kernels/x86_avx512/leaf.h"

#define MCV_TARGET_NS x86_avx512

namespace mcv::x86_avx512 {
using x86_avx2::LoadQuantisedRow;
}  // namespace mcv::x86_avx512

MCV_REGION_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi,bmi2")

// Each builds on the ones before.
// clang-format off
#include "kernels/x86_avx512/vec.h"
#include "kernels/generic/math-inl.h"
#include "kernels/generic/rows-inl.h"
#include "kernels/generic/attend-inl.h"
#include "kernels/generic/float_dot-inl.h"
// clang-format on

namespace mcv::MCV_TARGET_NS {
namespace {
// 12 x 2 sums cover the latency of every dot product here twice over and leave room for weights.
constexpr int64_t kStrip = 12;
constexpr int64_t kKBlock = 1024;  // a panel of 128 KB in the second-level cache
}  // namespace
}  // namespace mcv::MCV_TARGET_NS

#include "kernels/generic/panel_f32-inl.h"

MCV_REGION_END

namespace mcv::MCV_TARGET_NS {

const DotKernel& FloatDot() { return kFloatDot; }
const PanelKernel& F32Panel() { return kF32Panel; }

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
