// Kernels at the shapes of Llama3-V 2.5, each with its share of what the machine can do at most
// (bench/limits, measured in the same run). MCV_TARGET chooses the instruction set, MCV_THREADS the
// threads. Weights are rotated through more memory than the caches hold, as in a real pass.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "apps/bench/machine_limits.h"
#include "base/cpu_topology.h"
#include "base/system_files.h"
#include "bench/streamed_weights.h"
#include "kernels/kernels.h"

namespace mcv::bench {
namespace {

int Threads() {
  const char* set = std::getenv("MCV_THREADS");
  return set != nullptr ? std::max(1, std::atoi(set)) : DefaultThreadCount();
}

struct Machine {
  ThreadPool pool{Threads()};
  Limits limits = MeasureLimits(Threads());
};

Machine& TheMachine() {
  static Machine machine;
  return machine;
}

Context MakeContext(Numerics numerics) {
  Context ctx;
  ctx.pool = &TheMachine().pool;
  ctx.table = ChooseTarget().value();
  ctx.numerics = numerics;
  return ctx;
}

double PeakOps(DType type, Numerics numerics) {
  const Limits& limits = TheMachine().limits;
  if (numerics == Numerics::kExact) return limits.fp32_ops;
  if (Traits(type).quantised && limits.int8_ops > 0) return limits.int8_ops;
  if (limits.bf16_ops > 0) return limits.bf16_ops;
  return limits.int16_ops > 0 ? limits.int16_ops : limits.fp32_ops;
}

// Args: T, N, K. Reports T operations a second and the share of the peak of the numbers used.
void BM_MatMul(benchmark::State& state, DType type, Numerics numerics) {
  const int64_t t = state.range(0), n = state.range(1), k = state.range(2);
  Context ctx = MakeContext(numerics);
  StreamedWeights weights(type, n, k, int64_t{64} << 20);
  const std::vector<float> x = RandomFloats(t * k, 2);
  std::vector<float> y(static_cast<size_t>(t * n));
  for (auto _ : state) MatMul({x.data(), t, k}, weights.Next(), {}, {y.data(), t, n}, ctx);
  const double ops = 2.0 * static_cast<double>(t * n * k);
  state.counters["Tops"] =
      benchmark::Counter(ops * 1e-12, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(ops / PeakOps(type, numerics),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

// Args: T (few), N, K. Reports the weight's bytes read a second and the share of the memory's rate.
void BM_Gemv(benchmark::State& state, DType type) {
  const int64_t t = state.range(0), n = state.range(1), k = state.range(2);
  Context ctx = MakeContext(Numerics::kFast);
  StreamedWeights weights(type, n, k, int64_t{512} << 20);
  const std::vector<float> x = RandomFloats(t * k, 2);
  std::vector<float> y(static_cast<size_t>(t * n));
  for (auto _ : state) MatMul({x.data(), t, k}, weights.Next(), {}, {y.data(), t, n}, ctx);
  const auto bytes = static_cast<double>(weights.bytes());
  state.counters["GB/s"] =
      benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(bytes / TheMachine().limits.read_bytes,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

// Keys and values of several layers in one piece of memory, so that no cache holds what one call
// reads when the next one comes.
class KvLayers {
 public:
  KvLayers(DType type, int64_t keys, int heads, int head_dim, int64_t total_bytes, Context& ctx)
      : type_(type),
        row_bytes_(static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(head_dim)))),
        head_bytes_(keys * row_bytes_),
        part_bytes_(heads * head_bytes_),
        layers_(std::max<int64_t>(1, total_bytes / (2 * part_bytes_))),
        bytes_(static_cast<size_t>(layers_ * 2 * part_bytes_)) {
    const int64_t cols = int64_t{heads} * head_dim;
    const std::vector<float> rows = RandomFloats(keys * cols, 3);
    StoreKv({rows.data(), keys, cols}, head_dim, 0, {type, bytes_.data(), row_bytes_, head_bytes_},
            ctx);
    for (int64_t part = 1; part < 2 * layers_; ++part) {
      std::memcpy(bytes_.data() + part * part_bytes_, bytes_.data(),
                  static_cast<size_t>(part_bytes_));
    }
  }
  void Next() { layer_ = (layer_ + 1) % layers_; }
  KvView keys() const { return Part(2 * layer_); }
  KvView values() const { return Part(2 * layer_ + 1); }
  int64_t bytes_per_layer() const { return 2 * part_bytes_; }

 private:
  KvView Part(int64_t part) const {
    return {type_, bytes_.data() + part * part_bytes_, row_bytes_, head_bytes_};
  }
  DType type_;
  int64_t row_bytes_, head_bytes_, part_bytes_, layers_, layer_ = 0;
  std::vector<std::byte> bytes_;
};

// Args: T, S, heads, kv_heads, head_dim, causal. Many tokens report the share of the arithmetic's
// peak, one token that of the memory's read rate.
void BM_Attention(benchmark::State& state, DType type) {
  const int64_t t = state.range(0), s = state.range(1);
  const int heads = static_cast<int>(state.range(2)), kv_heads = static_cast<int>(state.range(3));
  const int d = static_cast<int>(state.range(4));
  Context ctx = MakeContext(Numerics::kFast);
  const int64_t cols = int64_t{heads} * d;
  const std::vector<float> q = RandomFloats(t * cols, 2);
  KvLayers kv(type, s, kv_heads, d, int64_t{256} << 20, ctx);
  std::vector<float> out(q.size());
  const bool causal = state.range(5) != 0;
  for (auto _ : state) {
    kv.Next();
    Attention({.q = {q.data(), t, cols},
               .keys = kv.keys(),
               .values = kv.values(),
               .num_keys = s,
               .heads = heads,
               .kv_heads = kv_heads,
               .head_dim = d,
               .scale = 0.1f,
               .causal_offset = causal ? s - t : -1,
               .out = {out.data(), t, cols}},
              ctx);
  }
  const double seen =
      causal ? static_cast<double>(s) - 0.5 * static_cast<double>(t - 1) : static_cast<double>(s);
  const double ops = 4.0 * static_cast<double>(t * cols) * seen;
  const auto bytes = static_cast<double>(kv.bytes_per_layer());
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["Tops"] = benchmark::Counter(ops * 1e-12, rate);
  if (t == 1) state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, rate);
  const double share =
      t == 1 ? bytes / TheMachine().limits.read_bytes : ops / PeakOps(DType::kF16, Numerics::kFast);
  state.counters["of_peak"] = benchmark::Counter(share, rate);
}

void BM_Epilogue(benchmark::State& state, Activation activation) {
  Context ctx = MakeContext(Numerics::kFast);
  const int64_t t = 1024, n = 4304;
  StreamedWeights weights(DType::kF16, n, 2, 1);
  const std::vector<float> x = RandomFloats(t * 2, 2);
  std::vector<float> y(static_cast<size_t>(t * n));
  for (auto _ : state) {
    MatMul({x.data(), t, 2}, weights.Next(), {.activation = activation}, {y.data(), t, n}, ctx);
  }
  state.SetItemsProcessed(state.iterations() * t * n);
}

// The value of the first "key : value" line of /proc/cpuinfo; "" where there is none.
std::string CpuInfo(const std::string& cpuinfo, const std::string& key) {
  const size_t line = cpuinfo.find("\n" + key + "\t");
  if (line == std::string::npos) return "";
  const size_t start = cpuinfo.find(": ", line) + 2;
  return cpuinfo.substr(start, cpuinfo.find('\n', start) - start);
}

// Processors of different generations can carry the same name ("AMD EPYC").
std::string CpuName() {
  const std::string cpuinfo = ReadSystemFile("/proc/cpuinfo");
  std::string name = ReadCpuTopology().model;
  if (name.empty()) name = "unknown processor";
  const std::string family = CpuInfo(cpuinfo, "cpu family"), model = CpuInfo(cpuinfo, "model");
  if (!family.empty() && !model.empty()) name += ", family " + family + ", model " + model;
  return name;
}

void Register() {
  using benchmark::RegisterBenchmark;
  const auto shape = [](benchmark::internal::Benchmark* b, std::vector<int64_t> args) {
    b->Args(args)->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(0.3);
  };
  // Encoder: qkv and output, fc1, fc2, for the 1,024 patches of a view.
  for (Numerics numerics : {Numerics::kFast, Numerics::kExact}) {
    const std::string suffix = numerics == Numerics::kFast ? "/fast" : "/exact";
    auto* b = RegisterBenchmark(("MatMul/F16" + suffix).c_str(), BM_MatMul, DType::kF16, numerics);
    for (auto [n, k] : {std::pair{1152, 1152}, {4304, 1152}, {1152, 4304}}) shape(b, {1024, n, k});
  }
  // Prefill: attention output, gate and up, down.
  for (DType type : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kQ8_0, DType::kQ4_0}) {
    const std::string name = "MatMul/" + std::string(Traits(type).name) + "/fast";
    auto* b = RegisterBenchmark(name.c_str(), BM_MatMul, type, Numerics::kFast);
    for (int64_t t : {96, 256}) {
      shape(b, {t, 4096, 4096});
      if (type == DType::kQ4_K) shape(b, {t, 14336, 4096});
      if (type == DType::kQ4_K || type == DType::kQ6_K) shape(b, {t, 4096, 14336});
    }
  }
  // Decode.
  for (DType type :
       {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kQ8_0, DType::kF16, DType::kQ4_0}) {
    const std::string name = "Gemv/" + std::string(Traits(type).name);
    auto* b = RegisterBenchmark(name.c_str(), BM_Gemv, type);
    shape(b, {1, 4096, 4096});
    if (type == DType::kQ4_K) shape(b, {1, 14336, 4096}), shape(b, {3, 4096, 4096});
    if (type == DType::kQ4_K || type == DType::kQ6_K) shape(b, {1, 4096, 14336});
  }
  auto* encoder = RegisterBenchmark("Attention/encoder", BM_Attention, DType::kF32);
  shape(encoder, {1024, 1024, 16, 16, 72, 0});
  for (auto [name, type] :
       {std::pair{"Attention/text/F16", DType::kF16}, {"Attention/text/Q8_0", DType::kQ8_0}}) {
    auto* text = RegisterBenchmark(name, BM_Attention, type);
    for (auto [t, s] :
         {std::pair{256, 256}, {256, 4096}, {1, 256}, {1, 1024}, {1, 4096}, {4, 4096}}) {
      shape(text, {t, s, 32, 8, 128, 1});
    }
  }
  for (auto [name, activation] : {std::pair{"Epilogue/none", Activation::kNone},
                                  {"Epilogue/gelu_tanh", Activation::kGeluTanh},
                                  {"Epilogue/gelu_erf", Activation::kGeluErf}}) {
    RegisterBenchmark(name, BM_Epilogue, activation)->Unit(benchmark::kMillisecond)->UseRealTime();
  }
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  mcv::Result<const mcv::KernelTable*> table = mcv::ChooseTarget();
  if (!table.ok()) {
    std::fprintf(stderr, "%s\n", table.status().ToString().c_str());
    return 2;
  }
  mcv::bench::Register();
  benchmark::AddCustomContext("cpu", mcv::bench::CpuName());
  benchmark::AddCustomContext("target", std::string(mcv::TargetName(**table)));
  const mcv::bench::Limits& limits = mcv::bench::TheMachine().limits;
  const auto tera = [](double ops) { return std::to_string(ops * 1e-12); };
  benchmark::AddCustomContext("threads", std::to_string(mcv::bench::Threads()));
  benchmark::AddCustomContext("limit_read_GB/s", std::to_string(limits.read_bytes * 1e-9));
  benchmark::AddCustomContext("limit_fp32_Tops", tera(limits.fp32_ops));
  benchmark::AddCustomContext("limit_bf16_Tops", tera(limits.bf16_ops));
  benchmark::AddCustomContext("limit_int8_Tops", tera(limits.int8_ops));
  benchmark::AddCustomContext("limit_int16_Tops", tera(limits.int16_ops));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
