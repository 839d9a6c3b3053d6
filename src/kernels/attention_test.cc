// Attention of every target against softmax in double, over head sizes, groups, masks and KV types.
#include <cstring>

#include "base/half.h"
#include "kernels/kernel_test_support.h"

namespace mcv {
namespace {

struct Case {
  int64_t tokens, keys;
  int heads, kv_heads, head_dim;
  int64_t causal_offset;
  DType type;
};

struct KvData {
  std::vector<std::byte> bytes;
  std::vector<float> values;  // as stored
  KvView view;
};

// Positions behind each other as activations have them, or heads as the cache has them; with gaps.
enum class Layout { kPositions, kHeads };

KvData MakeKv(const Case& c, uint64_t seed, Layout layout) {
  const auto n = static_cast<size_t>(c.head_dim);
  const int64_t cols = int64_t{c.kv_heads} * c.head_dim;
  const auto bytes = static_cast<int64_t>(*RowBytes(c.type, n));
  KvData kv;
  kv.view.type = c.type;
  if (layout == Layout::kPositions) {
    kv.view.head_bytes = bytes;
    kv.view.row_bytes = c.kv_heads * bytes + 6;
    kv.bytes.resize(static_cast<size_t>(c.keys * kv.view.row_bytes));
  } else {
    kv.view.row_bytes = bytes;
    kv.view.head_bytes = c.keys * bytes + 6;
    kv.bytes.resize(static_cast<size_t>(c.kv_heads * kv.view.head_bytes));
  }
  kv.view.data = kv.bytes.data();
  const std::vector<float> source = RandomFloats(c.keys * cols, seed);
  kv.values.resize(source.size());
  for (int64_t s = 0; s < c.keys; ++s) {
    for (int64_t h = 0; h < c.kv_heads; ++h) {
      const int64_t at = s * cols + h * c.head_dim;
      std::byte* row = kv.bytes.data() + h * kv.view.head_bytes + s * kv.view.row_bytes;
      QuantizeRow(c.type, {source.data() + at, n}, row);
      DequantizeRow(c.type, row, {kv.values.data() + at, n});
    }
  }
  return kv;
}

// Softmax attention of one query head in double, and what rounded operands make of it.
struct Expected {
  std::vector<double> out;
  std::vector<double> deviation;  // of out, one standard deviation
};

Expected Reference(const Case& c, const float* q, int64_t t, int head, const KvData& keys,
                   const KvData& values, float scale, std::string_view target) {
  const int64_t cols = int64_t{c.kv_heads} * c.head_dim;
  const int64_t column = int64_t{head / (c.heads / c.kv_heads)} * c.head_dim;
  const int64_t seen = c.causal_offset < 0 ? c.keys : std::min(c.keys, t + c.causal_offset + 1);
  std::vector<double> p(static_cast<size_t>(seen)), score_deviation(p.size());
  const double noise = FloatOperandNoise(target);
  const double norm_q = Norm(q, c.head_dim);
  double max = -1e300, sum = 0;
  for (int64_t s = 0; s < seen; ++s) {
    double dot = 0;
    for (int64_t i = 0; i < c.head_dim; ++i) {
      dot += static_cast<double>(q[i]) * keys.values[static_cast<size_t>(s * cols + column + i)];
    }
    p[static_cast<size_t>(s)] = dot * scale;
    const double norms =
        norm_q * Norm(&keys.values[static_cast<size_t>(s * cols + column)], c.head_dim);
    score_deviation[static_cast<size_t>(s)] = std::sqrt(2.0 / c.head_dim) * noise * norms * scale;
    max = std::max(max, dot * scale);
  }
  for (double& v : p) sum += (v = std::exp(v - max));
  Expected e;
  for (int64_t i = 0; i < c.head_dim; ++i) {
    const auto value = [&](int64_t s) {
      return static_cast<double>(values.values[static_cast<size_t>(s * cols + column + i)]);
    };
    double out = 0;
    for (int64_t s = 0; s < seen; ++s) out += p[static_cast<size_t>(s)] / sum * value(s);
    // A key's score moves its share, and with it all of the others'; then share and value are
    // rounded themselves, the share as one of its block where the target has whole numbers.
    double variance = 0;
    for (int64_t s = 0; s < seen; ++s) {
      const double share = p[static_cast<size_t>(s)] / sum;
      const double rounded = RoundsWholeBlocks(target) ? 1 / sum / kPeakOfBlock : share;
      variance += std::pow(share * score_deviation[static_cast<size_t>(s)] * (value(s) - out), 2) +
                  std::pow(rounded * noise * value(s), 2) +
                  std::pow(share * noise, 2) * std::max(1.0, value(s) * value(s));
    }
    e.out.push_back(out);
    e.deviation.push_back(std::sqrt(variance));
  }
  return e;
}

void Check(const Case& c, Context& ctx) {
  SCOPED_TRACE("T=" + std::to_string(c.tokens) + " S=" + std::to_string(c.keys) +
               " heads=" + std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) +
               " d=" + std::to_string(c.head_dim) + " causal=" + std::to_string(c.causal_offset) +
               " " + std::string(Traits(c.type).name) +
               (ctx.numerics == Numerics::kExact ? " exact" : " fast"));
  const int64_t cols = int64_t{c.heads} * c.head_dim;
  const int64_t q_stride = cols + 7;
  const std::vector<float> q = RandomFloats(c.tokens * q_stride, 3);
  const Layout layout = c.keys % 2 == 0 ? Layout::kPositions : Layout::kHeads;
  const KvData keys = MakeKv(c, 4, layout), values = MakeKv(c, 5, layout);
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  GuardedMatrix out(c.tokens, cols, cols + 2);
  Attention({.q = {q.data(), c.tokens, cols, q_stride},
             .keys = keys.view,
             .values = values.view,
             .num_keys = c.keys,
             .heads = c.heads,
             .kv_heads = c.kv_heads,
             .head_dim = c.head_dim,
             .scale = scale,
             .causal_offset = c.causal_offset,
             .out = out.view()},
            ctx);
  out.ExpectOnlyMatrixWritten();
  // fp32 sums of some hundred terms and an exp within 2e-7, on outputs of 4 at most; and six
  // standard deviations of what the operands' rounding does. A few tokens are always computed in
  // fp32.
  const bool exact = ctx.numerics == Numerics::kExact || c.tokens <= 4;
  const std::string_view target = TargetName(*ctx.table);
  for (int64_t t = 0; t<c.tokens; t += c.tokens> 40 ? 7 : 1) {
    for (int h = 0; h < c.heads; ++h) {
      const int64_t column = int64_t{h} * c.head_dim;
      const Expected want =
          Reference(c, q.data() + t * q_stride + column, t, h, keys, values, scale, target);
      for (int64_t i = 0; i < c.head_dim; ++i) {
        const auto at = static_cast<size_t>(i);
        const double tolerance = 5e-6 + (exact ? 0.0 : 6 * want.deviation[at]);
        ASSERT_NEAR(out.view().Row(t)[column + i], want.out[at], tolerance)
            << "t=" << t << " h=" << h << " i=" << i;
      }
    }
  }
}

class AttentionTest : public ::testing::TestWithParam<std::string> {};

TEST_P(AttentionTest, SweepsShapes) {
  const Case cases[] = {
      {1, 1, 1, 1, 64, -1, DType::kF32},        {1, 37, 4, 2, 128, 36, DType::kF16},
      {1, 700, 8, 2, 128, 699, DType::kF16},    {2, 33, 6, 2, 72, 31, DType::kBF16},
      {5, 19, 2, 2, 36, -1, DType::kF32},       {13, 64, 2, 2, 72, -1, DType::kF32},
      {30, 30, 4, 1, 64, 0, DType::kF16},       {17, 600, 4, 4, 72, -1, DType::kF32},
      {65, 1100, 2, 1, 128, 1035, DType::kF16}, {300, 300, 7, 1, 32, 0, DType::kBF16},
      {270, 520, 3, 3, 5, -1, DType::kF32},     {33, 513, 1, 1, 80, 480, DType::kF16},
      {3, 5, 2, 2, 8, 0, DType::kF32},          {33, 513, 4, 2, 96, 480, DType::kQ8_0},
      {270, 520, 4, 1, 64, 250, DType::kQ8_0},  {17, 65, 2, 2, 32, -1, DType::kQ8_0},
  };
  ThreadPool pool(2);
  for (Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
    Context ctx = MakeContext(pool, GetParam(), numerics);
    for (const Case& c : cases) {
      Check(c, ctx);
      if (HasFatalFailure()) return;
    }
  }
}

// Few tokens: every type, around the ends of blocks (32 keys) and of runs (256) of keys, with
// groups and head sizes that leave remainders.
TEST_P(AttentionTest, SweepsFewTokens) {
  constexpr int64_t kKeys[] = {1, 31, 33, 255, 256, 257, 700};
  constexpr int kGroups[] = {4, 1, 3, 8};
  constexpr int kHeadDims[] = {128, 32, 64, 72, 96};
  ThreadPool pool(2);
  Context ctx = MakeContext(pool, GetParam(), Numerics::kFast);
  size_t turn = 0;
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0}) {
    const auto check = [&](int64_t tokens, int64_t keys, int group, int head_dim) {
      if (head_dim % static_cast<int>(Traits(type).block_elements) != 0) return;
      tokens = std::min(tokens, keys);
      Check({tokens, keys, 2 * group, 2, head_dim, keys - tokens, type}, ctx);
    };
    for (int64_t keys : kKeys) {
      for (int64_t tokens : {1, 2, 3, 4}) {
        check(tokens, keys, kGroups[turn % std::size(kGroups)], turn % 2 == 0 ? 128 : 64);
        ++turn;
      }
    }
    for (int group : kGroups) {
      for (int head_dim : kHeadDims)
        check(1, 37 + 7 * static_cast<int64_t>(turn++ % 5), group, head_dim);
    }
    if (HasFatalFailure()) return;
  }
}

TEST_P(AttentionTest, ResultDoesNotDependOnThreads) {
  for (const Case& c : {Case{90, 90, 4, 2, 64, 0, DType::kF16},
                        {1, 1, 4, 2, 64, 0, DType::kF16},
                        {1, 700, 8, 2, 64, 699, DType::kF16},
                        {1, 700, 8, 2, 64, 699, DType::kQ8_0},
                        {3, 600, 4, 1, 64, 597, DType::kBF16},
                        {2, 300, 3, 1, 72, 298, DType::kF32}}) {
    const int64_t cols = int64_t{c.heads} * c.head_dim;
    const std::vector<float> q = RandomFloats(c.tokens * cols, 3);
    const KvData keys = MakeKv(c, 4, Layout::kHeads), values = MakeKv(c, 5, Layout::kHeads);
    for (Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
      std::vector<float> first;
      for (int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        Context ctx = MakeContext(pool, GetParam(), numerics);
        std::vector<float> out(q.size());
        Attention({.q = {q.data(), c.tokens, cols},
                   .keys = keys.view,
                   .values = values.view,
                   .num_keys = c.keys,
                   .heads = c.heads,
                   .kv_heads = c.kv_heads,
                   .head_dim = c.head_dim,
                   .scale = 0.125f,
                   .causal_offset = c.causal_offset,
                   .out = {out.data(), c.tokens, cols}},
                  ctx);
        if (threads == 1) first = out;
        ASSERT_EQ(std::memcmp(first.data(), out.data(), out.size() * 4), 0)
            << threads << " threads, " << c.tokens << " tokens, " << c.keys << " keys";
      }
    }
  }
}

// Large scores of both signs: nothing overflows, and a key that wins takes all, whichever run of
// keys it lies in.
TEST_P(AttentionTest, ExtremeScores) {
  ThreadPool pool(1);
  for (int64_t tokens : {1, 20}) {
    Context ctx = MakeContext(pool, GetParam(), Numerics::kExact);
    const int64_t keys = 640, d = 64;
    std::vector<float> q(static_cast<size_t>(tokens * d), 100.0f);
    std::vector<float> k(static_cast<size_t>(keys * d), -100.0f), v(k.size(), 1.0f);
    for (int64_t i = 0; i < d; ++i) {
      k[static_cast<size_t>(429 * d + i)] = 100.0f;
      v[static_cast<size_t>(429 * d + i)] = 3.0f;
    }
    std::vector<float> out(q.size());
    const auto as_kv = [&](const std::vector<float>& m) {
      return KvView{DType::kF32, reinterpret_cast<const std::byte*>(m.data()), d * 4};
    };
    Attention({.q = {q.data(), tokens, d},
               .keys = as_kv(k),
               .values = as_kv(v),
               .num_keys = keys,
               .heads = 1,
               .kv_heads = 1,
               .head_dim = static_cast<int>(d),
               .scale = 1.0f,
               .out = {out.data(), tokens, d}},
              ctx);
    for (float x : out) ASSERT_EQ(x, 3.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, AttentionTest, ::testing::ValuesIn(TargetNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace mcv
