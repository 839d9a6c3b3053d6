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

std::vector<float> Read(Decoder& decoder, TextSequence& sequence, std::span<const int32_t> ids,
                        LogitsWanted wanted = LogitsWanted::kLast) {
  const int64_t rows = wanted == LogitsWanted::kAll ? int64_t(ids.size()) : 1;
  std::vector<float> logits(size_t(rows) * size_t(decoder.vocab()));
  const Status status = Append(decoder, sequence, {ids, {}}, {.logits = wanted},
                               {logits.data(), rows, decoder.vocab()});
  EXPECT_TRUE(status.ok()) << status.ToString();
  return logits;
}

// As the first that a sequence reads.
std::vector<float> Read(Decoder& decoder, std::span<const int32_t> ids,
                        LogitsWanted wanted = LogitsWanted::kLast) {
  return Read(decoder, *decoder.NewSequence(), ids, wanted);
}

std::vector<int32_t> ManyIds(int64_t count, uint64_t seed) {
  RandomStream random(seed);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random.Below(400));
  return ids;
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

TEST_P(DecoderTest, RewindingForgets) {
  const auto decoder = MakeDecoder(model_, {});
  const auto sequence = decoder->NewSequence();
  Read(*decoder, *sequence, std::span(kIds).first(4));
  const SequenceMark mark = sequence->Mark();
  const std::vector<float> expected = Read(*decoder, *sequence, std::span(kIds).subspan(4));
  sequence->Rewind(mark);
  Read(*decoder, *sequence, std::vector<int32_t>{99, 98, 97});
  sequence->Rewind(mark);
  EXPECT_EQ(Read(*decoder, *sequence, std::span(kIds).subspan(4)), expected);
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
  EXPECT_EQ(whole->layout().bytes_per_position(),
            MakeDecoder(model_, {})->layout().bytes_per_position() * 34 / 128);
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
  ASSERT_TRUE(Append(*decoder, *decoder->NewSequence(), {kIds, images}, {.taps = &sink},
                     {logits.data(), 1, decoder->vocab()})
                  .ok());
  ASSERT_EQ(seen.size(), kIds.size() * size_t(width));
  for (int64_t i = 0; i < 3 * width; ++i) ASSERT_EQ(seen[size_t(2 * width + i)], rows[size_t(i)]);
  EXPECT_GT(Distance(logits, Read(*MakeDecoder(model_, {}), kIds)), 1e-3);
}

// One step of several sequences: the ids that each reads, shortest first. All their last logits.
std::vector<std::vector<float>> StepTogether(Decoder& decoder,
                                             std::span<TextSequence* const> sequences,
                                             std::span<const std::vector<int32_t>> ids) {
  std::vector<TextRun> runs;
  for (size_t i = 0; i < ids.size(); ++i) runs.push_back({sequences[i], {ids[i], {}}});
  const int64_t vocab = decoder.vocab();
  std::vector<float> logits(ids.size() * size_t(vocab));
  const Status status = decoder.Step(runs, {}, {logits.data(), int64_t(ids.size()), vocab});
  EXPECT_TRUE(status.ok()) << status.ToString();
  std::vector<std::vector<float>> rows;
  for (size_t i = 0; i < ids.size(); ++i) {
    rows.emplace_back(logits.begin() + int64_t(i) * vocab, logits.begin() + int64_t(i + 1) * vocab);
  }
  return rows;
}

// Forks share what their parent read and never see what the others write, across a block's border
// and within a block.
TEST_P(DecoderTest, ForksGoTheirOwnWays) {
  for (const DType cache : {DType::kF32, DType::kQ8_0}) {
    const auto decoder = MakeDecoder(model_, {.cache = cache}, 600);
    const std::vector<int32_t> prompt = ManyIds(2 * kKvBlock - 2, 3);
    const auto parent = decoder->NewSequence();
    Read(*decoder, *parent, prompt);
    const auto first = parent->Fork(), second = parent->Fork();
    for (const int32_t id : {10, 11, 12, 13}) {
      TextSequence* both[] = {first.get(), second.get()};
      const std::vector<int32_t> ids[] = {{id}, {id + 50}};
      const auto together = StepTogether(*decoder, both, ids);
      EXPECT_NE(together[0], together[1]);
    }
    // The same without anybody else.
    const auto alone = decoder->NewSequence();
    Read(*decoder, *alone, prompt);
    std::vector<float> expected;
    for (const int32_t id : {60, 61, 62, 63}) {
      expected = Read(*decoder, *alone, std::vector<int32_t>{id});
    }
    EXPECT_EQ(Read(*decoder, *second, std::vector<int32_t>{7}),
              Read(*decoder, *alone, std::vector<int32_t>{7}));
    EXPECT_EQ(parent->length(), int64_t(prompt.size()));
    EXPECT_EQ(Read(*decoder, *parent, std::vector<int32_t>{60}).size(), expected.size());
  }
}

TEST_P(DecoderTest, FullContextAndCancelChangeNothing) {
  const auto decoder = MakeDecoder(model_, {.batch = 4}, /*capacity=*/12);
  const auto sequence = decoder->NewSequence();
  std::vector<float> logits(size_t(decoder->vocab()));
  const MatView row(logits.data(), 1, decoder->vocab());
  ASSERT_TRUE(Append(*decoder, *sequence, {kIds, {}}, {}, row).ok());
  const Status full = Append(*decoder, *sequence, {kIds, {}}, {}, row);
  EXPECT_EQ(full.code(), StatusCode::kContextFull);
  EXPECT_NE(full.message().find("12"), std::string::npos);
  EXPECT_EQ(sequence->length(), 11);

  sequence->Rewind({});
  std::atomic<bool> cancel = false;
  AppendOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](int64_t done, int64_t) { cancel = done >= 8; };
  EXPECT_EQ(Append(*decoder, *sequence, {kIds, {}}, options, row).code(), StatusCode::kCancelled);
  EXPECT_EQ(sequence->length(), 0);
}

INSTANTIATE_TEST_SUITE_P(Models, DecoderTest, ::testing::Values(TestFolder20(), TestGguf25()),
                         [](const auto& info) { return info.index == 0 ? "MiniCpm" : "Llama"; });

// The numeric policy: with fast kernels of any target, to the last bit. Some sequences decode while
// others read prompts of few and of many tokens.
class CompanyTest : public ::testing::TestWithParam<std::tuple<std::string_view, std::string>> {};

TEST_P(CompanyTest, DoesNotShow) {
  TestModel model(std::get<1>(GetParam()), {}, 2, std::string(std::get<0>(GetParam())));
  model.context.numerics = Numerics::kFast;
  const auto decoder = MakeDecoder(model, {.cache = DType::kF16}, 700);
  const std::vector<int64_t> held = {5, 300, 0, 256, 1};
  const std::vector<int64_t> read = {1, 1, 1, 7, 150};
  std::vector<std::unique_ptr<TextSequence>> together, alone;
  std::vector<TextSequence*> runs;
  std::vector<std::vector<int32_t>> ids;
  for (size_t i = 0; i < held.size(); ++i) {
    for (auto* sequences : {&together, &alone}) {
      sequences->push_back(decoder->NewSequence());
      if (held[i] > 0) Read(*decoder, *sequences->back(), ManyIds(held[i], i));
    }
    runs.push_back(together.back().get());
    ids.push_back(ManyIds(read[i], 10 + i));
  }
  for (int step = 0; step < 2; ++step) {
    const auto rows = StepTogether(*decoder, runs, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(rows[i], Read(*decoder, *alone[i], ids[i])) << "sequence " << i << " step " << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, CompanyTest,
                         ::testing::Combine(::testing::ValuesIn(AvailableTargets()),
                                            ::testing::Values(TestGguf25(), TestQuantised25())));

// An error leaves everybody as he was, and says what is wrong.
TEST(DecoderFaultTest, WeightsThatAreNoNumbers) {
  TestModel model(TestGguf25());
  std::vector<float> norm(size_t(model.config().text.width), NAN);
  TextWeights weights = model.weights.text();
  weights.final_norm = norm.data();
  auto decoder = Decoder::Create(model.config().text, weights, {.capacity = 16}, model.context);
  ASSERT_TRUE(decoder.ok());
  const auto sequence = (*decoder)->NewSequence();
  std::vector<float> logits(size_t(model.config().text.vocab));
  const Status status =
      Append(**decoder, *sequence, {kIds, {}}, {}, {logits.data(), 1, model.config().text.vocab});
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_NE(status.message().find("no finite number"), std::string::npos);
  EXPECT_EQ(sequence->length(), 0);
}

TEST(KvSequenceTest, RefusesWhatCannotBeHad) {
  TextConfig config;
  config.layers = 40;
  config.kv_heads = 36;
  config.head_dim = 64;
  const KvLayout layout = KvLayout::Of(config, DType::kF16);
  EXPECT_EQ(layout.bytes_per_position(), 2 * 40 * 36 * 64 * 2);
  config.kv_heads = 1 << 30;
  config.head_dim = 1 << 14;
  KvSequence sequence(KvLayout::Of(config, DType::kF16));
  EXPECT_EQ(sequence.Grow(1).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(sequence.length(), 0);
}

TEST(KvSequenceTest, QuantisedHeadsAreWholeBlocks) {
  TextConfig config;
  config.layers = config.kv_heads = 2;
  config.head_dim = 80;
  const Status status = CheckCacheType(config, DType::kQ8_0);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("80 elements, not a multiple of 32"), std::string::npos);
  EXPECT_EQ(CheckCacheType(config, DType::kQ4_K).code(), StatusCode::kInvalidArgument);
  config.head_dim = 96;
  EXPECT_TRUE(CheckCacheType(config, DType::kQ8_0).ok());
  EXPECT_EQ(KvLayout::Of(config, DType::kQ8_0).bytes_per_position(), 2 * 2 * 2 * 3 * 34);
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
  auto rope = RopeCache::Create(head_dim, 10000.0f, 16, 8);
  ASSERT_TRUE(rope.ok());
  ThreadPool pool(1);
  Context ctx;
  ctx.pool = &pool;
  ctx.table = *ChooseTarget("ref");
  const std::vector<PositionRange> three = {{5, 3}};
  const RopeTable table = rope->Rows(three);
  Rope({halves.data(), 3, width}, heads, head_dim, table, RopeStyle::kHalves, ctx);
  Rope({pairs.data(), 3, width}, heads, head_dim, table, RopeStyle::kAdjacent, ctx);
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t i = 0; i < width; ++i) {
      EXPECT_FLOAT_EQ(pairs[size_t(t * width + RopeRowOfHf(i, head_dim))],
                      halves[size_t(t * width + i)]);
    }
  }
  const std::vector<PositionRange> places = {{9, 1}, {6, 2}};
  EXPECT_EQ(rope->Rows(places).cos.Row(1)[2], table.cos.Row(1)[2]);
  EXPECT_EQ(rope->Rows(places).sin.Row(2)[3], table.sin.Row(2)[3]);
}

}  // namespace
}  // namespace mcv
