// What a row of Q4_K, Q5_K or Q6_K times a token is, to the last bit, however many tokens there are
// and whatever rows lie beside it: whole numbers within a super-block, then one fp32 sum over the
// super-blocks in their order, and one of the minima. Kernels that take rows and tokens in
// different numbers at once agree because each of them computes this.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "kernels/kernel_test_support.h"
#include "kernels/table.h"

namespace mcv {
namespace {

constexpr int kSuperBlock = 256;

// A super-block as the file has it: an element is d * scale * (q - offset) - dmin * minimum.
struct Block {
  std::array<int, kSuperBlock> q;
  std::array<int, 16> scales{};  // of 16 elements each
  std::array<int, 8> minima{};   // of 32 elements each
  float d = 0, dmin = 0;
};

int ByteAt(const std::byte* p, int i) { return static_cast<int>(p[i]); }

float HalfAt(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return HalfToFloat(bits);
}

Block ReadNibbleBlock(const std::byte* p, bool five_bits) {
  Block block;
  block.d = HalfAt(p);
  block.dmin = HalfAt(p + 2);
  const std::byte* six = p + 4;
  for (int b = 0; b < 8; ++b) {
    int scale = ByteAt(six, b) & 63, minimum = ByteAt(six, b + 4) & 63;
    if (b >= 4) {
      scale = (ByteAt(six, b + 4) & 15) | (ByteAt(six, b - 4) >> 6) << 4;
      minimum = (ByteAt(six, b + 4) >> 4) | (ByteAt(six, b) >> 6) << 4;
    }
    block.scales[static_cast<size_t>(2 * b)] = scale;
    block.scales[static_cast<size_t>(2 * b + 1)] = scale;
    block.minima[static_cast<size_t>(b)] = minimum;
    for (int i = 0; i < 32; ++i) {
      const int both = ByteAt(p, (five_bits ? 48 : 16) + b / 2 * 32 + i);
      const int fifth = five_bits ? (ByteAt(p, 16 + i) >> b & 1) << 4 : 0;
      block.q[static_cast<size_t>(32 * b + i)] = (b % 2 == 0 ? both & 15 : both >> 4) | fifth;
    }
  }
  return block;
}

Block ReadSixBitBlock(const std::byte* p) {
  Block block;
  block.d = HalfAt(p + 208);
  for (int i = 0; i < 16; ++i) {
    block.scales[static_cast<size_t>(i)] = static_cast<int8_t>(ByteAt(p, 192 + i));
  }
  for (int i = 0; i < kSuperBlock; ++i) {
    const int half = i / 128, group = i % 128 / 32, at = i % 32;
    const int both = ByteAt(p, 64 * half + 32 * (group % 2) + at);
    const int low = group < 2 ? both & 15 : both >> 4;
    const int high = ByteAt(p, 128 + 32 * half + at) >> (2 * group) & 3;
    block.q[static_cast<size_t>(i)] = (low | high << 4) - 32;
  }
  return block;
}

Block ReadBlock(DType type, const std::byte* p) {
  return type == DType::kQ6_K ? ReadSixBitBlock(p) : ReadNibbleBlock(p, type == DType::kQ5_K);
}

float Product(DType type, const std::byte* row, const float* x, int64_t k) {
  const auto bytes = static_cast<int64_t>(*RowBytes(type, kSuperBlock));
  float sum = 0, minima = 0;
  for (int64_t b = 0; b < k / kSuperBlock; ++b, row += bytes, x += kSuperBlock) {
    const Block block = ReadBlock(type, row);
    float largest = 0;
    for (int i = 0; i < kSuperBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
    const float inverse = 127.0f / largest, scale = largest / 127.0f;
    int total = 0, minimum_total = 0;
    for (int i = 0; i < kSuperBlock; ++i) {
      const int token = static_cast<int>(std::nearbyint(x[i] * inverse));
      total += block.scales[static_cast<size_t>(i / 16)] * block.q[static_cast<size_t>(i)] * token;
      minimum_total += block.minima[static_cast<size_t>(i / 32)] * token;
    }
    sum = std::fma(static_cast<float>(total), block.d * scale, sum);
    minima = std::fma(static_cast<float>(minimum_total), block.dmin * scale, minima);
  }
  return sum - minima;
}

class KDotTest : public ::testing::TestWithParam<std::string> {};

TEST_P(KDotTest, IsWholeNumbersThenOneSum) {
  ThreadPool pool(2);
  Context ctx = MakeContext(pool, GetParam(), Numerics::kFast);
  const int64_t k = 1280;
  for (const DType type : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    for (const int64_t n : {3, 16, 53}) {
      const TestWeight weight = MakeWeight(type, n, k, 31);
      const auto row_bytes = static_cast<int64_t>(*RowBytes(type, static_cast<uint64_t>(k)));
      for (const int64_t t : {1, 2, 3, 4, 7, 8, 17, 33}) {
        const std::vector<int64_t> runs(static_cast<size_t>(t), 1);  // each a sequence's next token
        ctx.runs = runs;
        const std::vector<float> x = RandomFloats(t * k, static_cast<uint64_t>(t));
        GuardedMatrix y(t, n, n + 3);
        MatMul({x.data(), t, k}, weight.view, {}, y.view(), ctx);
        y.ExpectOnlyMatrixWritten();
        for (int64_t i = 0; i < t; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            const float want = Product(type, weight.view.data + j * row_bytes, x.data() + i * k, k);
            ASSERT_EQ(y.view().Row(i)[j], want) << Traits(type).name << ", " << n << " rows, " << t
                                                << " tokens, at " << i << "," << j;
          }
        }
      }
    }
  }
}

std::vector<std::string> TargetsWithKKernels() {
  std::vector<std::string> names;
  for (const std::string& name : TargetNames()) {
    if (name.starts_with("avx")) names.push_back(name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Targets, KDotTest, ::testing::ValuesIn(TargetsWithKKernels()),
                         [](const auto& info) { return info.param; });
// A processor may have none of them.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KDotTest);

}  // namespace
}  // namespace mcv
