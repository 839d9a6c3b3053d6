// Shapes are as small as they may be while every loop of a kernel still turns several times: whole
// blocks of 256, several panels and strips, more than one run of keys.
#include "bench/counts/kernel_work.h"

#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/random.h"
#include "formats/quant/quant.h"

namespace mcv::bench {
namespace {

constexpr int64_t kManyTokens = 36;
constexpr int64_t kOutputs = 64;
constexpr int64_t kInputs = 1024;
constexpr int kHeadDim = 128;

// On whole cache lines: how an address is aligned changes which instructions memcpy runs.
template <typename T>
class Aligned {
 public:
  explicit Aligned(int64_t count) : lines_(static_cast<size_t>(count) * sizeof(T) / 64 + 1) {}
  Aligned(Aligned&&) = default;  // what was moved keeps its address; a copy would not
  T* data() { return reinterpret_cast<T*>(lines_.data()); }

 private:
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };
  std::vector<Line> lines_;
};

class Matrix {
 public:
  Matrix(int64_t rows, int64_t cols) : rows_(rows), cols_(cols), data_(rows * cols) {
    RandomStream random(1);
    for (int64_t i = 0; i < rows * cols; ++i) {
      data_.data()[i] = static_cast<float>(random.Uniform(-1, 1));
    }
  }
  MatView view() { return {data_.data(), rows_, cols_}; }
  float* data() { return data_.data(); }

 private:
  int64_t rows_, cols_;
  Aligned<float> data_;
};

class Weight {
 public:
  Weight(DType type, int64_t rows, int64_t cols)
      : row_bytes_(static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(cols)))),
        bytes_(rows * row_bytes_),
        view_{type, rows, cols, bytes_.data()} {
    // Quantising takes longer than what is counted: two rows, again and again.
    Matrix values(2, cols);
    for (int64_t r = 0; r < rows; ++r) {
      std::byte* row = bytes_.data() + r * row_bytes_;
      if (r >= 2) {
        std::memcpy(row, row - 2 * row_bytes_, static_cast<size_t>(row_bytes_));
      } else {
        QuantizeRow(type, {values.view().Row(r), static_cast<size_t>(cols)}, row);
      }
    }
  }
  const WeightView& view() const { return view_; }

 private:
  int64_t row_bytes_;
  Aligned<std::byte> bytes_;
  WeightView view_;
};

// The data of a call lives as long as the call: T is made now, `run` uses it later.
template <typename T, typename Run>
KernelCall Owning(std::shared_ptr<T> data, Run run) {
  return [data = std::move(data), run](Context& ctx) { run(*data, ctx); };
}

KernelWork MatMulWork(std::string name, DType type, int64_t tokens, Numerics numerics) {
  struct Data {
    Weight weight;
    Matrix x, y;
  };
  return {std::move(name), numerics, [=] {
            auto data = std::make_shared<Data>(
                Data{{type, kOutputs, kInputs}, {tokens, kInputs}, {tokens, kOutputs}});
            return Owning(data, [](Data& d, Context& ctx) {
              MatMul(d.x.view(), d.weight.view(), {}, d.y.view(), ctx);
            });
          }};
}

// The product is next to nothing: what counts is what happens to it.
KernelWork EpilogueWork(std::string name, Activation activation) {
  struct Data {
    Weight weight{DType::kF16, kOutputs, 2};
    Matrix x{120, 2}, y{120, kOutputs}, bias{1, kOutputs};
  };
  return {std::move(name), Numerics::kFast, [=] {
            return Owning(std::make_shared<Data>(), [=](Data& d, Context& ctx) {
              const Epilogue epilogue = {.bias = d.bias.data(), .activation = activation};
              MatMul(d.x.view(), d.weight.view(), epilogue, d.y.view(), ctx);
            });
          }};
}

KernelWork SwiGluWork(std::string name, DType type, int64_t tokens, int64_t outputs,
                      int64_t inputs) {
  struct Data {
    Weight gate, up;
    Matrix x, y;
  };
  return {
      std::move(name), Numerics::kFast, [=] {
        auto data = std::make_shared<Data>(Data{
            {type, outputs, inputs}, {type, outputs, inputs}, {tokens, inputs}, {tokens, outputs}});
        return Owning(data, [](Data& d, Context& ctx) {
          MatMulSwiGlu(d.x.view(), d.gate.view(), d.up.view(), d.y.view(), ctx);
        });
      }};
}

struct AttentionShape {
  int64_t tokens, keys;
  int heads, kv_heads, head_dim;
  bool causal;
};

// Keys or values as the cache keeps them.
class Kv {
 public:
  Kv(DType type, const AttentionShape& shape)
      : row_bytes_(static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(shape.head_dim)))),
        bytes_(shape.kv_heads * shape.keys * row_bytes_),
        view_{type, bytes_.data(), row_bytes_, shape.keys * row_bytes_} {
    Matrix values(shape.keys, int64_t{shape.kv_heads} * shape.head_dim);
    ThreadPool pool(1);
    Context ctx;
    ctx.pool = &pool;
    ctx.table = *ChooseTarget("ref");
    StoreKv(values.view(), shape.head_dim, 0, view_, ctx);
  }
  KvView view() const { return {view_.type, view_.data, view_.row_bytes, view_.head_bytes}; }

 private:
  int64_t row_bytes_;
  Aligned<std::byte> bytes_;
  MutableKvView view_;
};

KernelWork AttentionWork(std::string name, DType type, const AttentionShape& shape) {
  struct Data {
    Kv keys, values;
    Matrix q, out;
  };
  return {std::move(name), Numerics::kFast, [=] {
            const int64_t cols = int64_t{shape.heads} * shape.head_dim;
            auto data = std::make_shared<Data>(
                Data{{type, shape}, {type, shape}, {shape.tokens, cols}, {shape.tokens, cols}});
            return Owning(data, [=](Data& d, Context& ctx) {
              Attention({.q = d.q.view(),
                         .keys = d.keys.view(),
                         .values = d.values.view(),
                         .num_keys = shape.keys,
                         .heads = shape.heads,
                         .kv_heads = shape.kv_heads,
                         .head_dim = shape.head_dim,
                         .scale = 0.1f,
                         .causal_offset = shape.causal ? shape.keys - shape.tokens : -1,
                         .out = d.out.view()},
                        ctx);
            });
          }};
}

struct Rows {
  Matrix x{8, kInputs}, y{8, kInputs}, weight{1, kInputs}, bias{1, kInputs};
};

KernelWork RowWork(std::string name, void (*run)(Rows&, Context&)) {
  return {std::move(name), Numerics::kFast, [=] { return Owning(std::make_shared<Rows>(), run); }};
}

KernelWork RopeWork(std::string name, RopeStyle style) {
  struct Data {
    Matrix x{8, kInputs}, cos{8, kHeadDim / 2}, sin{8, kHeadDim / 2};
  };
  return {
      std::move(name), Numerics::kFast, [=] {
        return Owning(std::make_shared<Data>(), [=](Data& d, Context& ctx) {
          Rope(d.x.view(), kInputs / kHeadDim, kHeadDim, {d.cos.view(), d.sin.view()}, style, ctx);
        });
      }};
}

// Floats rounded into the cache: the quantising that a pass does.
KernelWork StoreWork(std::string name, DType type) {
  struct Data {
    explicit Data(DType t)
        : row_bytes(static_cast<int64_t>(*RowBytes(t, uint64_t{kHeadDim}))),
          bytes(8 * kInputs / kHeadDim * row_bytes) {}
    int64_t row_bytes;
    Aligned<std::byte> bytes;
    Matrix x{8, kInputs};
  };
  return {std::move(name), Numerics::kFast, [=] {
            return Owning(std::make_shared<Data>(type), [=](Data& d, Context& ctx) {
              StoreKv(d.x.view(), kHeadDim, 0, {type, d.bytes.data(), d.row_bytes, 8 * d.row_bytes},
                      ctx);
            });
          }};
}

KernelWork EmbedWork(std::string name, DType type) {
  struct Data {
    Weight table;
    Matrix y{8, kInputs};
  };
  return {std::move(name), Numerics::kFast, [=] {
            return Owning(std::make_shared<Data>(Data{{type, 8, kInputs}}),
                          [](Data& d, Context& ctx) {
                            constexpr std::array<int32_t, 8> kIds = {3, 1, 4, 1, 5, 0, 2, 6};
                            EmbedRows(d.table.view(), kIds, 2.0f, d.y.view(), ctx);
                          });
          }};
}

void AddProducts(std::vector<KernelWork>* all) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_K, DType::kQ5_K,
                     DType::kQ6_K, DType::kQ8_0, DType::kQ4_0, DType::kQ5_1}) {
    const std::string type_name(Traits(type).name);
    all->push_back(MatMulWork("matmul/" + type_name, type, kManyTokens, Numerics::kFast));
    all->push_back(MatMulWork("gemv/" + type_name, type, 1, Numerics::kFast));
  }
  all->push_back(MatMulWork("matmul/F16/exact", DType::kF16, kManyTokens, Numerics::kExact));
  all->push_back(MatMulWork("matmul/Q4_K/exact", DType::kQ4_K, kManyTokens, Numerics::kExact));
  all->push_back(MatMulWork("few/Q4_K", DType::kQ4_K, 3, Numerics::kFast));
  all->push_back(MatMulWork("few/Q6_K", DType::kQ6_K, 3, Numerics::kFast));
  all->push_back(SwiGluWork("swiglu/Q4_K", DType::kQ4_K, kManyTokens, kOutputs, kInputs));
  all->push_back(SwiGluWork("epilogue/silu_gate", DType::kF16, 120, kOutputs, 2));
  all->push_back(EpilogueWork("epilogue/bias", Activation::kNone));
  all->push_back(EpilogueWork("epilogue/gelu_tanh", Activation::kGeluTanh));
  all->push_back(EpilogueWork("epilogue/gelu_erf", Activation::kGeluErf));
  all->push_back(EpilogueWork("epilogue/silu", Activation::kSilu));
}

void AddAttention(std::vector<KernelWork>* all) {
  const AttentionShape encoder = {96, 96, 2, 2, 72, /*causal=*/false};
  all->push_back(AttentionWork("attention/encoder", DType::kF32, encoder));
  const AttentionShape prompt = {16, 128, 4, 1, kHeadDim, /*causal=*/true};
  const AttentionShape decode = {1, 600, 4, 1, kHeadDim, /*causal=*/true};
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0}) {
    const std::string type_name(Traits(type).name);
    all->push_back(AttentionWork("attention/text/" + type_name, type, prompt));
    all->push_back(AttentionWork("attention/decode/" + type_name, type, decode));
    if (type != DType::kF32) all->push_back(StoreWork("store/" + type_name, type));
  }
}

void AddRows(std::vector<KernelWork>* all) {
  all->push_back(RowWork("rows/layer_norm", [](Rows& d, Context& ctx) {
    LayerNorm(d.x.view(), d.weight.data(), d.bias.data(), 1e-6f, d.y.view(), ctx);
  }));
  all->push_back(RowWork("rows/rms_norm", [](Rows& d, Context& ctx) {
    RmsNorm(d.x.view(), d.weight.data(), 1e-6f, d.y.view(), ctx);
  }));
  all->push_back(RowWork("rows/add_scaled", [](Rows& d, Context& ctx) {
    AddScaled(d.x.view(), 0.5f, d.y.view(), ctx);
  }));
  all->push_back(RopeWork("rope/halves", RopeStyle::kHalves));
  all->push_back(RopeWork("rope/adjacent", RopeStyle::kAdjacent));
  for (DType type :
       {DType::kF16, DType::kQ4_K, DType::kQ6_K, DType::kQ8_0, DType::kQ4_0, DType::kIQ4_NL}) {
    all->push_back(EmbedWork("embed/" + std::string(Traits(type).name), type));
  }
}

}  // namespace

std::vector<KernelWork> AllKernelWork() {
  std::vector<KernelWork> all;
  AddProducts(&all);
  AddAttention(&all);
  AddRows(&all);
  return all;
}

}  // namespace mcv::bench
