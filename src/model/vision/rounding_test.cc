// What fast and int8 numerics do to the encoder, on every target: bounds from how the target rounds
// (tests/support/rounding.h), not from what a machine once gave.
#include "tests/support/rounding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/test_model.h"
#include "model/vision/siglip_layer.h"
#include "model/vision/vision_encoder.h"

namespace mcv {
namespace {

using Matrix = std::vector<float>;

constexpr PatchGrid kGrid = {8, 10};

View NoisyView() {
  RandomStream random(4);
  Image image{14 * kGrid.cols, 14 * kGrid.rows, {}};
  image.pixels.resize(static_cast<size_t>(image.width * image.height * 3));
  for (uint8_t& byte : image.pixels) byte = static_cast<uint8_t>(random.NextBits());
  return {image, kGrid.rows, kGrid.cols};
}

Matrix Copy(ConstMatView m) {
  Matrix out;
  for (int64_t r = 0; r < m.rows; ++r) out.insert(out.end(), m.Row(r), m.Row(r) + m.cols);
  return out;
}

double Cosine(const Matrix& a, const Matrix& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += double(a[i]) * b[i];
    aa += double(a[i]) * a[i];
    bb += double(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

double Distance(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return std::sqrt(sum);
}

class EncoderRoundingTest : public ::testing::TestWithParam<std::string> {
 protected:
  const VisionConfig& config() const { return model_.config().vision; }
  const std::vector<VisionLayerWeights>& layers() const { return model_.weights.vision().layers; }

  Context On(std::string_view target, Numerics numerics) {
    Context context;
    context.pool = &model_.pool;
    context.table = *ChooseTarget(target);
    context.numerics = numerics;
    return context;
  }

  // The rows for the decoder; into `inputs`, where given, what each layer is given.
  Matrix Encode(std::string_view target, Numerics numerics, std::vector<Matrix>* inputs = nullptr) {
    Context context = On(target, numerics);
    VisionEncoder encoder(model_.config(), model_.weights.vision(), model_.weights.resampler(),
                          context);
    const TapSink sink = [&](Tap tap, int, ConstMatView x) {
      if (tap == Tap::kVitEmbedding || tap == Tap::kVitLayer) inputs->push_back(Copy(x));
    };
    Matrix rows(static_cast<size_t>(encoder.rows_per_view() * encoder.width()));
    EXPECT_TRUE(encoder
                    .Encode(NoisyView(), PositionIds({&kGrid, 1}, config())[0],
                            {.taps = inputs != nullptr ? &sink : nullptr},
                            {rows.data(), encoder.rows_per_view(), encoder.width()})
                    .ok());
    return rows;
  }

  // What the 1 - cosine of two encodings may be, when the products that round are `products` in a
  // row and all else is equal: half the square of their distance.
  double Turned(std::string_view target, int products) const {
    return 0.5 * products * ProductNoiseSquared(FloatOperandNoise(target), config().ffn);
  }
  // In a row: the patch embedding; scores and sum of each layer's attention; the resampler's kv,
  // keys or values, queries, scores, sum, output and projection.
  int ProductsAroundLayers() const { return 1 + 2 * config().layers + 7; }
  // And in each layer q, k or v; out; both of the MLP.
  int AllProducts() const { return ProductsAroundLayers() + 4 * config().layers; }

  TestModel model_{GetParam()};
};

// A factor of two for what is no Gaussian noise: a softmax adds, a norm may enlarge.
TEST_P(EncoderRoundingTest, FastTurnsRowsByItsOperandsRounding) {
  const Matrix exact = Encode("ref", Numerics::kExact);
  for (const std::string_view target : AvailableTargets()) {
    const double turned = 1 - Cosine(Encode(target, Numerics::kFast), exact);
    EXPECT_LT(turned, 2 * Turned(target, AllProducts())) << target;
  }
}

// SiglipLayer by its definition: the target's own norms and attention, and the plain kernels' int8
// products.
void PlainInt8Layer(const VisionLayerWeights& w, const VisionConfig& config, VisionActivations& act,
                    Context& own, Context& plain) {
  const Activation gelu = config.activation == VisionActivation::kGeluErf ? Activation::kGeluErf
                                                                          : Activation::kGeluTanh;
  LayerNorm(act.x, w.norm1.weight, w.norm1.bias, config.norm_eps, act.normed, own);
  MatMul(act.normed, w.q.weight, {.bias = w.q.bias}, act.q, plain);
  MatMul(act.normed, w.k.weight, {.bias = w.k.bias}, act.k, plain);
  MatMul(act.normed, w.v.weight, {.bias = w.v.bias}, act.v, plain);
  AttentionArgs args;
  args.q = act.q;
  args.num_keys = act.k.rows;
  args.heads = args.kv_heads = config.heads;
  args.head_dim = config.head_dim();
  args.keys = AsKv(act.k, args.head_dim);
  args.values = AsKv(act.v, args.head_dim);
  args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
  args.out = act.mixed;
  Attention(args, own);
  MatMul(act.mixed, w.out.weight, {.bias = w.out.bias, .accumulate = true}, act.x, plain);
  LayerNorm(act.x, w.norm2.weight, w.norm2.bias, config.norm_eps, act.normed, own);
  MatMul(act.normed, w.fc1.weight, {.bias = w.fc1.bias, .activation = gelu}, act.hidden, plain);
  MatMul(act.hidden, w.fc2.weight, {.bias = w.fc2.bias, .accumulate = true}, act.x, plain);
}

// The whole numbers are the same, so only fp32 sums may differ, by 1e-7 or so. That is not all:
// where a value lies that near to the border between two whole numbers, the next product rounds it
// to the other one (a step is 0.03 of the values' size, so three in a million do), and that patch's
// row is off by some hundredth from there on. One row in two must have met none of these. Layers
// get the plain encoder's inputs, so that no row brings along what happened to it in another.
TEST_P(EncoderRoundingTest, Int8LayersAreThePlainKernelsInt8) {
  std::vector<Matrix> inputs;
  Encode("ref", Numerics::kInt8, &inputs);
  ASSERT_EQ(inputs.size(), layers().size() + 1);
  const int64_t width = config().width;
  for (const std::string_view target : AvailableTargets()) {
    Context own = On(target, Numerics::kInt8), plain = On("ref", Numerics::kInt8);
    for (size_t layer = 0; layer < layers().size(); ++layer) {
      VisionActivations act;
      act.Shape(model_.config(), kGrid.num_patches());
      const Matrix& input = inputs[layer];
      std::copy(input.begin(), input.end(), act.x.data);
      SiglipLayer(layers()[layer], config(), act, own);
      const Matrix ours = Copy(act.x);
      std::copy(input.begin(), input.end(), act.x.data);
      PlainInt8Layer(layers()[layer], config(), act, own, plain);
      std::vector<double> off;  // of each row, as a share of what the layer adds to it
      for (int64_t r = 0; r < kGrid.num_patches(); ++r) {
        const float* want = act.x.Row(r);
        off.push_back(Distance(&ours[static_cast<size_t>(r * width)], want, width) /
                      Distance(&input[static_cast<size_t>(r * width)], want, width));
      }
      std::sort(off.begin(), off.end());
      // Four products in a row; the sums' own noise is a mean, so eight times it.
      EXPECT_LT(off[off.size() / 2], 8 * 2 * SumNoise(config().ffn)) << target << " " << layer;
      // As many int8 roundings as the layer has, each gone another way.
      EXPECT_LT(off.back(), 8 * 2 * std::sqrt(2.0) * Int8Noise()) << target << " " << layer;
    }
  }
}

// The same picture on different targets. What is around the int8 products rounds as the target's
// floats do, and then a value that has moved by d falls to another whole number with a probability
// of |d| / step: an error of relative variance v leaves the rounding as one of about step *
// sqrt(v), much larger. After two or three roundings in a row even fp32's last bit has become two
// independent roundings of the same values, which are apart by twice the noise of one. So the bound
// is twice what plain int8 differs from exact by, which no target takes part in (and in which the
// weights' rounding, equal everywhere, is room to spare), and what the target's floats add.
TEST_P(EncoderRoundingTest, Int8OfTwoTargetsIsTwoRoundingsOfTheSame) {
  const Matrix exact = Encode("ref", Numerics::kExact);
  const Matrix plain = Encode("ref", Numerics::kInt8);
  const double turned = 1 - Cosine(plain, exact);
  // Four int8 products a layer, and what is added to the stream is less than all of it.
  const double most = 0.5 * 4 * config().layers * 2 * Int8Noise() * Int8Noise();
  EXPECT_GT(turned, most / 20);
  EXPECT_LT(turned, most);
  for (const std::string_view target : AvailableTargets()) {
    const Matrix int8 = Encode(target, Numerics::kInt8);
    EXPECT_LT(1 - Cosine(int8, plain), 2 * turned + 2 * Turned(target, ProductsAroundLayers()))
        << target;
    // And it is int8 that ran: fast is nearer to exact than half of what int8 costs.
    EXPECT_GT(1 - Cosine(int8, Encode(target, Numerics::kFast)), turned / 2) << target;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EncoderRoundingTest,
                         ::testing::Values(TestGguf25(), TestFolder20()),
                         [](const auto& info) { return info.index == 0 ? "v25" : "v20"; });

}  // namespace
}  // namespace mcv
