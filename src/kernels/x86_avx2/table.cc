// The "avx2" table: AVX2, FMA and F16C, every x86 processor of the last ten years.
#include <cpuid.h>

#include "kernels/x86_avx2/leaf.h"

namespace mcv {
namespace {

bool RunsHere() {
  unsigned a, b, c, d;
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
  return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
}

const DotKernel* Dot(DType type, Numerics numerics) {
  if (numerics != Numerics::kExact) {
    if (const DotKernel* kernel = x86_avx2::KDot(type); kernel != nullptr) return kernel;
    if (const DotKernel* kernel = x86_avx2::NibbleDot(type); kernel != nullptr) return kernel;
    if (const DotKernel* kernel = x86_avx2::Block32Dot(type); kernel != nullptr) return kernel;
  }
  return &x86_avx2::FloatDot();
}
const PanelKernel* Panel(DType type, Numerics numerics) {
  if (numerics == Numerics::kExact) return &x86_avx2::F32Panel();
  if (const PanelKernel* kernel = x86_avx2::KPanel(type); kernel != nullptr) return kernel;
  if (numerics == Numerics::kInt8) return &x86_avx2::Int8AsInt16Panel();
  const PanelKernel* kernel = x86_avx2::NibblePanel(type);
  return kernel != nullptr ? kernel : &x86_avx2::Int16Panel();
}
const PanelKernel* AttentionPanel(DType, Numerics numerics) {
  return numerics == Numerics::kExact ? &x86_avx2::F32Panel() : &x86_avx2::Int16Panel();
}

}  // namespace

const KernelTable& Avx2Table() {
  static const KernelTable table = [] {
    KernelTable t{};
    t.name = "avx2";
    t.runs_here = RunsHere;
    x86_avx2::FillFloat(&t);
    t.dot = Dot;
    t.panel = Panel;
    t.attention = AttentionPanel;
    return t;
  }();
  return table;
}

}  // namespace mcv
