// The readers against files that other programs wrote: the tiny models of the golden values.
#include "tests/support/goldens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "formats/gguf/gguf_file.h"
#include "formats/npy/npy.h"
#include "formats/quant/quant.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {
namespace {

std::vector<float> DequantizeTensor(const GgufTensor& tensor) {
  auto values = Dequantize(tensor.type, tensor.data, tensor.rows(), tensor.columns());
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  return values.ok() ? *std::move(values) : std::vector<float>();
}

// The .npy holds elements 0, 97, 194, ... of each tensor, in file order.
void ExpectSampledTensorsEqual(const std::string& gguf_path, const std::string& samples_path) {
  const auto file = GgufFile::Open(gguf_path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const auto samples = ReadNpy(samples_path);
  ASSERT_TRUE(samples.ok()) << samples.status().ToString();
  size_t next = 0;
  for (const GgufTensor& tensor : file->tensors()) {
    const std::vector<float> values = DequantizeTensor(tensor);
    for (size_t i = 0; i < values.size(); i += 97) {
      ASSERT_LT(next, samples->values.size());
      ASSERT_EQ(values[i], samples->values[next++])
          << tensor.name << " (" << Traits(tensor.type).name << "), element " << i;
    }
  }
  EXPECT_EQ(next, samples->values.size());
}

TEST(GoldensTest, DequantisedQ4KAndQ6KTensorsAreExact) {
  MCV_GOLDEN_OR_SKIP(model, "models/v25_tiny/gguf/llm-Q4_K_M.gguf");
  MCV_GOLDEN_OR_SKIP(samples, "expected/v25_tiny.Q4_K_M/tensors_every97.npy");
  ExpectSampledTensorsEqual(model, samples);
}

TEST(GoldensTest, DequantisedQ8TensorsAreExact) {
  MCV_GOLDEN_OR_SKIP(model, "models/v25_tiny/gguf/llm-Q8_0.gguf");
  MCV_GOLDEN_OR_SKIP(samples, "expected/v25_tiny.Q8_0/tensors_every97.npy");
  ExpectSampledTensorsEqual(model, samples);
}

double SquaredError(const std::vector<float>& expected, const std::vector<float>& actual) {
  double error = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = double{expected[i]} - actual[i];
    error += difference * difference;
  }
  return error;
}

// Calls visit(original values, tensor of the quantised file) for every quantised tensor.
template <typename Visit>
void ForEachQuantised(const std::string& original_path, const std::string& quantised_path,
                      const Visit& visit) {
  const auto original = GgufFile::Open(original_path);
  ASSERT_TRUE(original.ok()) << original.status().ToString();
  const auto quantised = GgufFile::Open(quantised_path);
  ASSERT_TRUE(quantised.ok()) << quantised.status().ToString();
  for (const GgufTensor& tensor : quantised->tensors()) {
    if (!Traits(tensor.type).quantised) continue;
    const GgufTensor* source = original->FindTensor(tensor.name);
    ASSERT_NE(source, nullptr);
    visit(DequantizeTensor(*source), tensor);
  }
}

TEST(GoldensTest, Q8QuantiserGivesTheBytesOfTheFieldsTool) {
  MCV_GOLDEN_OR_SKIP(original, "models/v25_tiny/gguf/llm-f32.gguf");
  MCV_GOLDEN_OR_SKIP(theirs, "models/v25_tiny/gguf/llm-Q8_0.gguf");
  ForEachQuantised(original, theirs, [](const std::vector<float>& values, const GgufTensor& their) {
    const auto ours = Quantize(their.type, values, their.rows(), their.columns());
    ASSERT_TRUE(ours.ok());
    EXPECT_TRUE(std::ranges::equal(*ours, their.data)) << their.name;
  });
}

TEST(GoldensTest, KQuantisersLoseNoMoreThanTheFieldsTool) {
  MCV_GOLDEN_OR_SKIP(original, "models/v25_tiny/gguf/llm-f32.gguf");
  MCV_GOLDEN_OR_SKIP(theirs, "models/v25_tiny/gguf/llm-Q4_K_M.gguf");
  ForEachQuantised(original, theirs, [](const std::vector<float>& values, const GgufTensor& their) {
    const auto bytes = Quantize(their.type, values, their.rows(), their.columns());
    ASSERT_TRUE(bytes.ok());
    const auto ours = Dequantize(their.type, *bytes, their.rows(), their.columns());
    ASSERT_TRUE(ours.ok());
    EXPECT_LE(SquaredError(values, *ours), SquaredError(values, DequantizeTensor(their)))
        << their.name << " (" << Traits(their.type).name << ")";
  });
}

class GoldenGgufTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenGgufTest, OpensWithKeysAndTensors) {
  MCV_GOLDEN_OR_SKIP(path, GetParam());
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_TRUE(file->GetString("general.architecture").ok());
  EXPECT_FALSE(file->tensors().empty());
  for (const GgufTensor& tensor : file->tensors()) {
    EXPECT_EQ(file->FindTensor(tensor.name), &tensor);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GoldenGgufTest,
    ::testing::Values("models/v20_tiny/gguf/llm-f16.gguf", "models/v20_tiny/gguf/mmproj-f16.gguf",
                      "models/v25_tiny/gguf/llm-f32.gguf", "models/v25_tiny/gguf/llm-Q4_K_M.gguf",
                      "models/v25_tiny/gguf/llm-Q8_0.gguf", "models/v25_tiny/gguf/mmproj-f32.gguf",
                      "models/v26_tiny/gguf/llm-f32.gguf", "models/v26_tiny/gguf/mmproj-f16.gguf"));

TEST(GoldensTest, SafetensorsHoldWhatTheGgufHolds) {
  MCV_GOLDEN_OR_SKIP(hf_path, "models/v25_tiny/hf/model.safetensors");
  MCV_GOLDEN_OR_SKIP(gguf_path, "models/v25_tiny/gguf/llm-f32.gguf");
  const auto hf = SafetensorsFile::Open(hf_path);
  ASSERT_TRUE(hf.ok()) << hf.status().ToString();
  const auto gguf = GgufFile::Open(gguf_path);
  ASSERT_TRUE(gguf.ok()) << gguf.status().ToString();
  const SafeTensor* half = hf->Find("llm.model.embed_tokens.weight");
  const GgufTensor* full = gguf->FindTensor("token_embd.weight");
  ASSERT_NE(half, nullptr);
  ASSERT_NE(full, nullptr);
  ASSERT_EQ(half->type, DType::kF16);
  ASSERT_EQ(half->shape, (std::vector<uint64_t>{full->rows(), full->columns()}));
  const auto values = Dequantize(half->type, half->data, full->rows(), full->columns());
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(*values, DequantizeTensor(*full));
}

}  // namespace
}  // namespace mcv
