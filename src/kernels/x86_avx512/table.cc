// The "avx512vnni" table (Cascade Lake, Ice Lake and later) and "avx512bf16" (Cooper Lake, Zen 4,
// Sapphire Rapids and later), which differ in how float weights are multiplied.
#include "kernels/x86_avx2/leaf.h"
#include "kernels/x86_avx512/leaf.h"

namespace mcv {
namespace {

bool RunsVnni() {
  return Avx2Table().runs_here() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

bool RunsBf16() { return RunsVnni() && __builtin_cpu_supports("avx512bf16"); }

const DotKernel* Dot(DType type, Numerics numerics) {
  if (numerics != Numerics::kExact) {
    if (const DotKernel* kernel = x86_avx512::KDot(type); kernel != nullptr) return kernel;
    if (const DotKernel* kernel = x86_avx512::NibbleDot(type); kernel != nullptr) return kernel;
    // The rest wait for memory as much with 256-bit vectors.
    if (const DotKernel* kernel = x86_avx2::KDot(type); kernel != nullptr) return kernel;
    if (const DotKernel* kernel = x86_avx2::Block32Dot(type); kernel != nullptr) return kernel;
  }
  return &x86_avx512::FloatDot();
}
// Q8_0 is stored finer than int8 with a scale per 256 can say; unless asked for, it goes through
// the float kernels.
bool MultipliesAsInt8(DType type, Numerics numerics) {
  return numerics == Numerics::kInt8 || (Traits(type).quantised && type != DType::kQ8_0);
}

const PanelKernel* ExactPanel(DType, Numerics) { return &x86_avx512::F32Panel(); }

const PanelKernel* VnniPanel(DType type, Numerics numerics) {
  if (numerics == Numerics::kExact) return &x86_avx512::F32Panel();
  return MultipliesAsInt8(type, numerics) ? &x86_avx512::Int8Panel() : &x86_avx512::F32Panel();
}

const PanelKernel* Bf16Panel(DType type, Numerics numerics) {
  if (numerics == Numerics::kExact) return &x86_avx512::F32Panel();
  return MultipliesAsInt8(type, numerics) ? &x86_avx512::Int8Panel() : &x86_avx512::Bf16Panel();
}

const PanelKernel* Bf16Attention(DType, Numerics numerics) {
  return numerics == Numerics::kExact ? &x86_avx512::F32Panel() : &x86_avx512::Bf16Panel();
}

KernelTable MakeTable() {
  KernelTable t{};
  t.name = "avx512vnni";
  t.runs_here = RunsVnni;
  x86_avx512::FillFloat(&t);
  t.dot = Dot;
  t.panel = VnniPanel;
  t.attention = ExactPanel;
  return t;
}

}  // namespace

const KernelTable& Avx512VnniTable() {
  static const KernelTable table = MakeTable();
  return table;
}

const KernelTable& Avx512Bf16Table() {
  static const KernelTable table = [] {
    KernelTable t = MakeTable();
    t.name = "avx512bf16";
    t.runs_here = RunsBf16;
    t.panel = Bf16Panel;
    t.attention = Bf16Attention;
    return t;
  }();
  return table;
}

}  // namespace mcv
