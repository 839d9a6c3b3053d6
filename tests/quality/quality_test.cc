// What each weight type and each fast kernel costs in what a model foresees, within stated bounds.
//
// Two models. The built-in one, trained, on conversations whose true answers are known: its
// perplexity. It is published in Q8_0, so F32 is here what those blocks stand for, and its own Q8_0
// row is free. And the random one of testdata, whose weights were never quantised, on random text:
// it has no truth to foresee, but its distributions can be compared.
//
// A type's divergence is from F32, both exact; a fast kernel's is from exact, on the same blocks.
// Bounds of types are about twice what they cost (docs/numerics.md): exact, so the same on every
// machine. Those of fast kernels follow from how each target rounds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "formats/gguf/gguf_file.h"
#include "tests/quality/prediction.h"
#include "tests/quality/table.h"
#include "tests/support/rounding.h"

namespace mcv::quality {
namespace {

// The kernels that all others are tested against: the same fast as exact, and 40 times slower.
constexpr std::string_view kPlain = "ref";

// The largest change of perplexity, either way: a model of 1.15 is also wrong now and then, and is
// punished less where it has become less sure. Divergence has no such luck.
struct TypeBound {
  DType type;
  double nano_perplexity;
  double nano;    // divergence
  double random;  // divergence
};
constexpr TypeBound kTypeBounds[] = {
    {DType::kF32, 0, 0, 0},
    {DType::kF16, 0.001, 1e-7, 1e-9},  // the random model's weights are exact in F16
    {DType::kBF16, 0.001, 2e-6, 9e-4},
    {DType::kQ8_0, 0.001, 1e-7, 9e-3},
    {DType::kQ6_K, 0.002, 8e-5, 0.07},
    {DType::kQ5_K, 0.006, 4e-4, 0.35},
    {DType::kQ5_1, 0.006, 7e-4, 0.45},
    {DType::kQ5_0, 0.006, 7e-4, 0.5},
    {DType::kQ4_K, 0.02, 3e-3, 1.3},
    {DType::kQ4_1, 0.02, 3e-3, 1.5},
    {DType::kQ4_0, 0.02, 2e-3, 1.7},
    {DType::kIQ4_NL, 0.02, 2e-3, 1.3},
    {DType::kQ3_K, 0.02, 6e-3, 4.0},
    {DType::kQ2_K, 0.03, 0.05, 9.0},
};

// One of the two models, and what it is given to read.
struct Subject {
  const char* path;
  bool has_truth;
  int64_t targets;   // tokens to foresee
  double bf16_cost;  // divergence of BF16 weights from F32, both exact
  // How much more than foreseen a divergence may be. A choice: 2 where hundreds of tokens count
  // alike, 4 for the built-in model, which is sure of most answers, so that few tokens (not
  // counted) make up the sum.
  double luck;
};
constexpr Subject kNano = {MCV_SOURCE_DIR "/models/nano/llm-q8_0.gguf", true, 295, 7.7e-7, 4};
constexpr Subject kRandom = {MCV_TESTDATA "/goldens/models/v25_tiny/gguf/llm-f16.gguf", false, 316,
                             4.2e-4, 2};

// Where fast kernels round. Divergence goes with the square of logits' errors, so with the sum of
// the squares of what operands are off by, and BF16 weights say how steeply: they are one rounded
// operand (tests/support/rounding.h) of each of a layer's four products in a row: q, k or v, then
// output, gate or up, down. Likewise
//   - float kernels round both operands of these four and of the two of attention: three times
//     that, with the target's noise;
//   - the cache has k and v in F16: two operands where BF16 weights are four, so half;
//   - quantised weights meet activations in int8: one operand;
//   - AVX-512 rounds quantised weights of many tokens once more, to int8 with a scale per 256
//     (Q8_0 goes through the float kernels instead): another. A weight in a hundred that falls to
//     the next whole number adds a hundredth of a step squared to the twelfth of one that rounding
//     is, which luck has room for.
// The sum is too much where a kernel leaves one out, as decode does.
double FastDivergence(const Subject& subject, DType type, std::string_view target) {
  const auto in_bf16 = [](double noise) { return std::pow(noise / FloatNoise(8), 2); };
  double operands = 3 * in_bf16(FloatOperandNoise(target)) + 0.5 * in_bf16(FloatNoise(11));
  if (Traits(type).quantised) operands += in_bf16(Int8Noise());
  if (Traits(type).quantised && type != DType::kQ8_0 && target.starts_with("avx512")) {
    operands += in_bf16(Int8Noise());
  }
  return subject.luck * subject.bf16_cost * operands;
}

// A token's log probability moves by sqrt(2 divergence) as a rule, either way, and perplexity by
// the mean of that over all tokens. Three standard deviations.
double FastPerplexity(const Subject& subject, double divergence) {
  return 3 * std::sqrt(2 * divergence / static_cast<double>(subject.targets));
}

Result<std::vector<Reading>> ReadingsOf(const Subject& subject, const GgufFile& source) {
  if (subject.has_truth) return ReadConversations(subject.path);
  MCV_ASSIGN_OR_RETURN(const auto tokens, source.GetStrings("tokenizer.ggml.tokens"));
  return RandomReadings(static_cast<int32_t>(tokens.size()), /*count=*/4, /*length=*/80);
}

std::string TemporaryPath(DType type) {
  return ::testing::TempDir() + "quality_test_" + std::to_string(::getpid()) + "_" +
         std::string(Traits(type).name) + ".gguf";
}

// Whether the environment's list `variable` (names with commas between) has this name, or is not
// set. For emulated processors, which take hours for the whole table.
bool Wanted(const char* variable, std::string_view name) {
  const char* list = std::getenv(variable);
  if (list == nullptr) return true;
  return ("," + std::string(list) + ",").find("," + std::string(name) + ",") != std::string::npos;
}

double Change(const Prediction& from, const Prediction& to) {
  return to.Perplexity() / from.Perplexity() - 1.0;
}

// The whole table of one model.
class Measurer {
 public:
  explicit Measurer(const Subject& subject) : subject_(subject) {}

  Status Run(std::vector<TypeRow>* rows) {
    MCV_ASSIGN_OR_RETURN(const GgufFile source, GgufFile::Open(subject_.path));
    MCV_ASSIGN_OR_RETURN(readings_, ReadingsOf(subject_, source));
    for (const TypeBound& bound : kTypeBounds) {
      // Everything is compared with F32.
      if (bound.type != DType::kF32 && !Wanted("MCV_QUALITY_TYPES", Traits(bound.type).name)) {
        continue;
      }
      MCV_ASSIGN_OR_RETURN(const auto model,
                           RetypedModel::Make(source, bound.type, TemporaryPath(bound.type)));
      MCV_ASSIGN_OR_RETURN(TypeRow row, MeasureType(*model));
      rows->push_back(std::move(row));
    }
    return OkStatus();
  }

 private:
  Result<TypeRow> MeasureType(const RetypedModel& model) {
    const std::string_view best = AvailableTargets().front();
    MCV_ASSIGN_OR_RETURN(const Prediction exact,
                         Predict(model, readings_, {best, Numerics::kExact, Pace::kAtOnce}));
    if (f32_.truth.empty()) f32_ = exact;  // the first row
    TypeRow row;
    row.type = model.type();
    row.share = model.share();
    row.bits_per_weight = model.bits_per_weight();
    row.perplexity = exact.Perplexity();
    row.perplexity_change = Change(f32_, exact);
    row.divergence = Divergence(f32_, exact);
    for (const std::string_view target : AvailableTargets()) {
      if (target == kPlain) continue;
      if (!Wanted("MCV_QUALITY_TARGETS", target)) continue;
      MCV_ASSIGN_OR_RETURN(const FastCost cost, MeasureFast(model, exact, target));
      row.fast.push_back(cost);
    }
    return row;
  }

  Result<FastCost> MeasureFast(const RetypedModel& model, const Prediction& exact,
                               std::string_view target) {
    MCV_ASSIGN_OR_RETURN(const Prediction at_once,
                         Predict(model, readings_, {target, Numerics::kFast, Pace::kAtOnce}));
    MCV_ASSIGN_OR_RETURN(const Prediction as_written,
                         Predict(model, readings_, {target, Numerics::kFast, Pace::kAsWritten}));
    FastCost cost;
    cost.target = target;
    cost.at_once = Divergence(exact, at_once);
    cost.as_written = Divergence(exact, as_written);
    const double first = Change(exact, at_once);
    const double second = Change(exact, as_written);
    cost.perplexity_change = std::fabs(first) > std::fabs(second) ? first : second;
    return cost;
  }

  const Subject& subject_;
  std::vector<Reading> readings_;
  Prediction f32_;
};

const TypeBound& BoundOf(DType type) {
  return *std::find_if(std::begin(kTypeBounds), std::end(kTypeBounds),
                       [type](const TypeBound& bound) { return bound.type == type; });
}

void PrintTable(const char* title, const std::vector<TypeRow>& rows, bool with_perplexity) {
  std::printf("\n%s\n\n%s\n", title, ToMarkdown(rows, with_perplexity).c_str());
}

// Every element was stored in the type that the row is about.
void ExpectWholly(const TypeRow& row) {
  const DTypeTraits& traits = Traits(row.type);
  EXPECT_EQ(row.share, 1.0);
  EXPECT_EQ(row.bits_per_weight, 8.0 * traits.block_bytes / traits.block_elements);
}

// A NaN is never below.
TEST(QualityTest, TheBuiltInModelForeseesTrueAnswers) {
  std::vector<TypeRow> rows;
  const Status status = Measurer(kNano).Run(&rows);
  ASSERT_TRUE(status.ok()) << status.ToString();
  PrintTable("The built-in model on true answers", rows, true);
  EXPECT_LT(rows[0].perplexity, 1.3) << "a model that knows nothing has nothing to lose";
  for (const TypeRow& row : rows) {
    const TypeBound& own = BoundOf(row.type);
    SCOPED_TRACE(Traits(row.type).name);
    ExpectWholly(row);
    EXPECT_LE(std::fabs(row.perplexity_change), own.nano_perplexity);
    EXPECT_LE(std::fabs(row.divergence), own.nano);
    for (const FastCost& cost : row.fast) {
      SCOPED_TRACE(cost.target);
      const double bound = FastDivergence(kNano, row.type, cost.target);
      EXPECT_LE(std::fabs(cost.at_once), bound);
      EXPECT_LE(std::fabs(cost.as_written), bound);
      EXPECT_LE(std::fabs(cost.perplexity_change), FastPerplexity(kNano, bound));
    }
  }
}

TEST(QualityTest, TheRandomModelKeepsItsDistributions) {
  std::vector<TypeRow> rows;
  const Status status = Measurer(kRandom).Run(&rows);
  ASSERT_TRUE(status.ok()) << status.ToString();
  PrintTable("The random model on random text", rows, false);
  for (const TypeRow& row : rows) {
    const TypeBound& own = BoundOf(row.type);
    SCOPED_TRACE(Traits(row.type).name);
    ExpectWholly(row);
    EXPECT_LE(std::fabs(row.divergence), own.random);
    if (own.random > 1e-6) {
      EXPECT_GT(row.divergence, own.random / 6) << "then the bound says nothing";
    }
    for (const FastCost& cost : row.fast) {
      SCOPED_TRACE(cost.target);
      const double bound = FastDivergence(kRandom, row.type, cost.target);
      EXPECT_LE(std::fabs(cost.at_once), bound);
      EXPECT_LE(std::fabs(cost.as_written), bound);
    }
  }
}

// Exact means the same on every instruction set, the plain kernels included.
TEST(QualityTest, ExactIsTheSameOnEveryTarget) {
  const auto source = GgufFile::Open(kRandom.path);
  ASSERT_TRUE(source.ok()) << source.status().ToString();
  const auto readings = ReadingsOf(kRandom, *source);
  ASSERT_TRUE(readings.ok()) << readings.status().ToString();
  for (const DType type : {DType::kF32, DType::kQ8_0, DType::kQ4_K}) {
    SCOPED_TRACE(Traits(type).name);
    const auto model = RetypedModel::Make(*source, type, TemporaryPath(type));
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    const auto plain = Predict(**model, *readings, {kPlain, Numerics::kExact, Pace::kAtOnce});
    ASSERT_TRUE(plain.ok()) << plain.status().ToString();
    for (const std::string_view target : AvailableTargets()) {
      const auto other = Predict(**model, *readings, {target, Numerics::kExact, Pace::kAtOnce});
      ASSERT_TRUE(other.ok()) << other.status().ToString();
      EXPECT_LE(std::fabs(Divergence(*plain, *other)), 1e-8) << target;
      EXPECT_LE(std::fabs(Change(*plain, *other)), 1e-5) << target;
    }
  }
}

}  // namespace
}  // namespace mcv::quality
