// The "portable" table: generic/ over the compiler's vectors, for any processor. Products are fp32,
// but where they need not be exact those of a few tokens with the commonest quantised types are of
// whole numbers; int8 is the plain kernels'. Other quantised rows are taken apart by formats/quant.
#include "kernels/table.h"

#include <cstdint>
#include <type_traits>

#include "kernels/generic/region.h"
#include "kernels/portable/quant_dot.h"

#define MCV_TARGET_NS portable

namespace mcv::MCV_TARGET_NS {
namespace {
void LoadQuantisedRow(DType type, const std::byte* row, int64_t n, float* out) {
  RefTable().load_row(type, row, n, out);
}
}  // namespace
}  // namespace mcv::MCV_TARGET_NS

// Each builds on the ones before.
// clang-format off
#include "kernels/portable/vec.h"
#include "kernels/generic/math-inl.h"
#include "kernels/generic/rows-inl.h"
#include "kernels/generic/attend-inl.h"
#include "kernels/generic/float_dot-inl.h"
// clang-format on

namespace mcv::MCV_TARGET_NS {
namespace {
// 4 x 2 sums, 2 weights and 1 token in 16 registers; strips are whole vectors (panel_f32-inl.h).
constexpr int64_t kStrip = 4;
constexpr int64_t kKBlock = 512;  // a panel of 16 KB, which stays in the first-level cache
}  // namespace
}  // namespace mcv::MCV_TARGET_NS

#include "kernels/generic/panel_f32-inl.h"

namespace mcv {
namespace {

bool RunsAnywhere() { return true; }
const DotKernel* Dot(DType type, Numerics numerics) {
  if (numerics == Numerics::kInt8) return RefTable().dot(type, numerics);
  const DotKernel* quantised = numerics == Numerics::kFast ? portable::QuantDot(type) : nullptr;
  return quantised != nullptr ? quantised : &portable::kFloatDot;
}
const PanelKernel* Panel(DType, Numerics numerics) {
  return numerics == Numerics::kInt8 ? nullptr : &portable::kF32Panel;
}
const PanelKernel* AttentionPanel(DType, Numerics) { return &portable::kF32Panel; }

}  // namespace

const KernelTable& PortableTable() {
  static constexpr KernelTable table = {
      .name = "portable",
      .runs_here = RunsAnywhere,
      .layer_norm = portable::LayerNormRow,
      .rms_norm = portable::RmsNormRow,
      .rope = portable::RopeHead,
      .epilogue = portable::ApplyEpilogue,
      .swiglu = portable::SwiGluRow,
      .add_scaled = portable::AddScaledRow,
      .scale = portable::ScaleRow,
      .load_row = portable::LoadRow,
      .store_row = portable::StoreRow,
      .softmax_step = portable::SoftmaxStep,
      .attend = portable::Attend,
      .dot = Dot,
      .panel = Panel,
      .attention = AttentionPanel,
  };
  return table;
}

}  // namespace mcv
