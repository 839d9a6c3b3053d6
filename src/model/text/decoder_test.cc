// What must hold for any decoder: how a prompt is cut into batches, which thread did what, and how
// beams are kept apart must not show in the numbers.
#include "model/text/decoder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/test_model.h"

namespace mcv {
namespace {

const std::vector<int32_t> kIds = {1, 7, 300, 22, 5, 5, 411, 90, 17, 33, 2};

struct RunOptions {
  int64_t batch = 512;
  DType cache = DType::kF32;
  LogitsWanted wanted = LogitsWanted::kLast;
};

std::unique_ptr<Decoder> MakeDecoder(TestModel& model, const RunOptions& run,
                                     int64_t capacity = 64) {
  auto decoder = Decoder::Create(
      model.config().text, model.weights.text(),
      {.capacity = capacity, .cache_type = run.cache, .batch_tokens = run.batch}, model.context);
  EXPECT_TRUE(decoder.ok()) << decoder.status().ToString();
  return *std::move(decoder);
}

std::vector<float> Read(Decoder& decoder, std::span<const int32_t> ids,
                        LogitsWanted wanted = LogitsWanted::kLast,
                        std::span<const ImageRows> images = {}) {
  const int64_t rows = wanted == LogitsWanted::kAll ? int64_t(ids.size()) : 1;
  std::vector<float> logits(size_t(rows) * size_t(decoder.vocab()));
  const Status status =
      decoder.Append({ids, images}, {.logits = wanted}, {logits.data(), rows, decoder.vocab()});
  EXPECT_TRUE(status.ok()) << status.ToString();
  return logits;
}

class DecoderTest : public ::testing::TestWithParam<std::string> {
 protected:
  TestModel model_{GetParam()};
};

TEST_P(DecoderTest, BatchesDoNotShow) {
  const std::vector<float> whole = Read(*MakeDecoder(model_, {}), kIds);
  for (const int64_t batch : {1, 3, 10}) {
    EXPECT_LT(Distance(Read(*MakeDecoder(model_, {.batch = batch}), kIds), whole), 2e-5) << batch;
  }
}

TEST_P(DecoderTest, ThreadsDoNotShow) {
  TestModel threaded(GetParam(), {}, 3);
  EXPECT_EQ(Read(*MakeDecoder(model_, {}), kIds), Read(*MakeDecoder(threaded, {}), kIds));
}

TEST_P(DecoderTest, AllLogitsEndWithTheLast) {
  const auto decoder = MakeDecoder(model_, {.batch = 4});
  const std::vector<float> all = Read(*decoder, kIds, LogitsWanted::kAll);
  const std::vector<float> last = Read(*MakeDecoder(model_, {.batch = 4}), kIds);
  EXPECT_LT(Distance({all.end() - decoder->vocab(), all.end()}, last), 2e-5);
  // Row t is what a prompt of t + 1 ids gives: nothing looks ahead.
  const std::vector<float> three = Read(*MakeDecoder(model_, {}), std::span(kIds).first(3));
  EXPECT_LT(
      Distance({all.begin() + 2 * decoder->vocab(), all.begin() + 3 * decoder->vocab()}, three),
      2e-5);
}

TEST_P(DecoderTest, TruncationForgets) {
  const auto decoder = MakeDecoder(model_, {});
  const std::vector<float> expected = Read(*decoder, kIds);
  decoder->Truncate(4);
  Read(*decoder, std::vector<int32_t>{99, 98, 97});
  decoder->Truncate(4);
  EXPECT_LT(Distance(Read(*decoder, std::span(kIds).subspan(4)), expected), 2e-5);
}

TEST_P(DecoderTest, HalfPrecisionCacheIsClose) {
  const std::vector<float> exact = Read(*MakeDecoder(model_, {}), kIds);
  EXPECT_LT(Distance(Read(*MakeDecoder(model_, {.cache = DType::kF16}), kIds), exact), 0.05);
}

// As much as 1/254 of a block's largest value each; whole prompts and single tokens.
TEST_P(DecoderTest, QuantisedCacheIsClose) {
  const std::vector<float> exact = Read(*MakeDecoder(model_, {}), kIds, LogitsWanted::kAll);
  const int64_t vocab = model_.config().text.vocab;
  double largest = 0;
  for (const float logit : exact) largest = std::max(largest, std::fabs(double(logit)));
  const auto whole = MakeDecoder(model_, {.cache = DType::kQ8_0});
  const double distance = Distance(Read(*whole, kIds, LogitsWanted::kAll), exact);
  EXPECT_GT(distance, 0.0);
  EXPECT_LT(distance, 0.03 * largest);
  const auto single = MakeDecoder(model_, {.batch = 1, .cache = DType::kQ8_0});
  const std::vector<float> last = Read(*single, kIds);
  EXPECT_LT(Distance(last, {exact.end() - vocab, exact.end()}), 0.03 * largest);
  EXPECT_EQ(whole->cache().bytes_per_position(),
            MakeDecoder(model_, {})->cache().bytes_per_position() * 34 / 128);
}

TEST_P(DecoderTest, ImageRowsTakeTheirPlaces) {
  const int64_t width = model_.config().text.width;
  const std::vector<float> rows = RandomFloats(size_t(3 * width), 5);
  const std::vector<ImageRows> images = {{2, 5, {rows.data(), 3, width}}};
  std::vector<float> seen;
  const TapSink sink = [&](Tap tap, int layer, ConstMatView values) {
    if (tap != Tap::kTextState || layer != 0) return;
    for (int64_t r = 0; r < values.rows; ++r) {
      seen.insert(seen.end(), values.Row(r), values.Row(r) + values.cols);
    }
  };
  const auto decoder = MakeDecoder(model_, {.batch = 4});  // the picture lies across two batches
  std::vector<float> logits(size_t(decoder->vocab()));
  ASSERT_TRUE(
      decoder->Append({kIds, images}, {.taps = &sink}, {logits.data(), 1, decoder->vocab()}).ok());
  ASSERT_EQ(seen.size(), kIds.size() * size_t(width));
  for (int64_t i = 0; i < 3 * width; ++i) ASSERT_EQ(seen[size_t(2 * width + i)], rows[size_t(i)]);
  EXPECT_GT(Distance(logits, Read(*MakeDecoder(model_, {}), kIds)), 1e-3);
}

// `tolerance`: how far a prompt read as a whole may be from the same read in parts.
void CheckBeams(TestModel& model_, DType cache, double tolerance) {
  const auto decoder = MakeDecoder(model_, {.cache = cache});
  Read(*decoder, kIds);
  ASSERT_TRUE(decoder->BeginBeams(3, 4).ok());
  const int64_t vocab = decoder->vocab();
  std::vector<float> logits(size_t(3 * vocab));
  const MatView view(logits.data(), 3, vocab);
  ASSERT_TRUE(
      decoder->StepBeams(std::vector<int>{0, 0, 0}, std::vector<int32_t>{10, 20, 30}, view).ok());
  // The second and third go on from the first's parent order: 20 twice, then 10.
  ASSERT_TRUE(
      decoder->StepBeams(std::vector<int>{1, 1, 0}, std::vector<int32_t>{40, 50, 60}, view).ok());
  ASSERT_TRUE(
      decoder->StepBeams(std::vector<int>{2, 0, 1}, std::vector<int32_t>{70, 71, 72}, view).ok());
  const std::vector<std::vector<int32_t>> paths = {{10, 60, 70}, {20, 40, 71}, {20, 50, 72}};
  for (size_t b = 0; b < paths.size(); ++b) {
    std::vector<int32_t> alone = kIds;
    alone.insert(alone.end(), paths[b].begin(), paths[b].end());
    const std::vector<float> expected = Read(*MakeDecoder(model_, {.cache = cache}), alone);
    const std::vector<float> got(view.Row(int64_t(b)), view.Row(int64_t(b)) + vocab);
    EXPECT_LT(Distance(got, expected), tolerance) << "beam " << b;
  }
  decoder->EndBeams();
  EXPECT_EQ(decoder->length(), int64_t(kIds.size()));
  std::vector<int32_t> next = kIds;
  next.push_back(44);
  EXPECT_LT(Distance(Read(*decoder, std::vector<int32_t>{44}),
                     Read(*MakeDecoder(model_, {.cache = cache}), next)),
            tolerance);
}

TEST_P(DecoderTest, BeamsAreAsIfEachWereAlone) { CheckBeams(model_, DType::kF32, 3e-5); }
// A last bit of difference before rounding can become a whole step of it.
TEST_P(DecoderTest, BeamsWithAQuantisedCache) { CheckBeams(model_, DType::kQ8_0, 5e-3); }

TEST_P(DecoderTest, FullContextAndCancelChangeNothing) {
  const auto decoder = MakeDecoder(model_, {.batch = 4}, /*capacity=*/12);
  std::vector<float> logits(size_t(decoder->vocab()));
  const MatView row(logits.data(), 1, decoder->vocab());
  ASSERT_TRUE(decoder->Append({kIds, {}}, {}, row).ok());
  const Status full = decoder->Append({kIds, {}}, {}, row);
  EXPECT_EQ(full.code(), StatusCode::kContextFull);
  EXPECT_NE(full.message().find("12"), std::string::npos);
  EXPECT_EQ(decoder->length(), 11);
  EXPECT_EQ(decoder->BeginBeams(2, 2).code(), StatusCode::kContextFull);

  decoder->Truncate(0);
  std::atomic<bool> cancel = false;
  AppendOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](int64_t done, int64_t) { cancel = done >= 8; };
  EXPECT_EQ(decoder->Append({kIds, {}}, options, row).code(), StatusCode::kCancelled);
  EXPECT_EQ(decoder->length(), 0);
}

INSTANTIATE_TEST_SUITE_P(Models, DecoderTest, ::testing::Values(TestFolder20(), TestGguf25()),
                         [](const auto& info) { return info.index == 0 ? "MiniCpm" : "Llama"; });

TEST(KvCacheTest, RefusesWhatCannotBeHad) {
  TextConfig config;
  config.layers = 40;
  config.kv_heads = 36;
  config.head_dim = 64;
  EXPECT_EQ(KvCache::Create(config, DType::kF16, 0).status().code(), StatusCode::kInvalidArgument);
  const auto huge = KvCache::Create(config, DType::kF16, int64_t{1} << 50);
  EXPECT_EQ(huge.status().code(), StatusCode::kResourceExhausted);
  const auto cache = KvCache::Create(config, DType::kF16, 2048);
  ASSERT_TRUE(cache.ok());
  EXPECT_EQ(cache->bytes_per_position(), 2 * 40 * 36 * 64 * 2);
}

TEST(KvCacheTest, QuantisedHeadsAreWholeBlocks) {
  TextConfig config;
  config.layers = config.kv_heads = 2;
  config.head_dim = 80;
  const Status status = KvCache::Create(config, DType::kQ8_0, 10).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("80 elements, not a multiple of 32"), std::string::npos);
  EXPECT_EQ(KvCache::Create(config, DType::kQ4_K, 10).status().code(),
            StatusCode::kInvalidArgument);
  config.head_dim = 96;
  const auto cache = KvCache::Create(config, DType::kQ8_0, 10);
  ASSERT_TRUE(cache.ok());
  EXPECT_EQ(cache->bytes_per_position(), 2 * 2 * 2 * 3 * 34);
}

// Turned halves on HF rows equal turned pairs on the rows as GGUF permutes them (model-spec 3.5).
TEST(RopeTest, HalvesAndPermutedPairsAgree) {
  const int head_dim = 8, heads = 2;
  const int64_t width = head_dim * heads;
  std::vector<float> halves = RandomFloats(size_t(3 * width), 1);
  std::vector<float> pairs(halves.size());
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t i = 0; i < width; ++i) {
      pairs[size_t(t * width + RopeRowOfHf(i, head_dim))] = halves[size_t(t * width + i)];
    }
  }
  RopeCache rope(head_dim, 10000.0f);
  ThreadPool pool(1);
  Context ctx;
  ctx.pool = &pool;
  ctx.table = *ChooseTarget("ref");
  const RopeTable table = rope.Range(5, 3);
  Rope({halves.data(), 3, width}, heads, head_dim, table, RopeStyle::kHalves, ctx);
  Rope({pairs.data(), 3, width}, heads, head_dim, table, RopeStyle::kAdjacent, ctx);
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t i = 0; i < width; ++i) {
      EXPECT_FLOAT_EQ(pairs[size_t(t * width + RopeRowOfHf(i, head_dim))],
                      halves[size_t(t * width + i)]);
    }
  }
  const RopeTable repeated = rope.Repeat(6, 2);
  EXPECT_EQ(repeated.cos.Row(1)[2], rope.Range(5, 3).cos.Row(1)[2]);
}

}  // namespace
}  // namespace mcv
