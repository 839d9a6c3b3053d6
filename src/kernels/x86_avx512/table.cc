// The "avx512vnni" table (Cascade Lake, Ice Lake and later) and "avx512bf16" (Cooper Lake, Zen 4,
// Sapphire Rapids and later), which differ in how float weights are multiplied.
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
  if (numerics == Numerics::kFast) {
    if (const DotKernel* kernel = x86_avx512::KDot(type); kernel != nullptr) return kernel;
  }
  return &x86_avx512::FloatDot();
}
const PanelKernel* Panel(DType, Numerics) { return &x86_avx512::F32Panel(); }

const PanelKernel* PanelBf16(DType, Numerics numerics) {
  return numerics == Numerics::kFast ? &x86_avx512::Bf16Panel() : &x86_avx512::F32Panel();
}

KernelTable MakeTable() {
  KernelTable t{};
  t.name = "avx512vnni";
  t.runs_here = RunsVnni;
  x86_avx512::FillFloat(&t);
  t.dot = Dot;
  t.panel = Panel;
  t.attention = Panel;
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
    t.panel = PanelBf16;
    t.attention = PanelBf16;
    return t;
  }();
  return table;
}

}  // namespace mcv
