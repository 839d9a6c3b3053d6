// The readers against files that other programs wrote: the tiny models of the golden values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/gguf/gguf_file.h"
#include "formats/npy/npy.h"
#include "formats/quant/quant.h"
#include "formats/safetensors/safetensors_file.h"

namespace mcv {
namespace {

std::string GoldensFolder() {
  const char* folder = std::getenv("MCV_GOLDENS");
  return folder != nullptr ? folder : MCV_SHARED_GOLDENS;
}

class GoldensTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(GoldensFolder() + "/models")) {
      GTEST_SKIP() << "no golden values at " << GoldensFolder() << " (set MCV_GOLDENS)";
    }
  }
  static std::string Model(const std::string& rest) { return GoldensFolder() + "/models/" + rest; }
};

std::vector<float> DequantizeTensor(const GgufTensor& tensor) {
  auto values = Dequantize(tensor.type, tensor.data, tensor.rows(), tensor.columns());
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  return values.ok() ? *std::move(values) : std::vector<float>();
}

// tensors.json lists the tensors in file order; the .npy holds elements 0, 97, 194, ... of each.
void ExpectSampledTensorsEqual(const std::string& gguf_path, const std::string& expected_folder) {
  const auto file = GgufFile::Open(gguf_path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const auto samples = ReadNpy(expected_folder + "/tensors_every97.npy");
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

TEST_F(GoldensTest, DequantisedQ4KAndQ6KTensorsAreExact) {
  ExpectSampledTensorsEqual(Model("v25_tiny/gguf/llm-Q4_K_M.gguf"),
                            GoldensFolder() + "/expected/v25_tiny.Q4_K_M");
}

TEST_F(GoldensTest, DequantisedQ8TensorsAreExact) {
  ExpectSampledTensorsEqual(Model("v25_tiny/gguf/llm-Q8_0.gguf"),
                            GoldensFolder() + "/expected/v25_tiny.Q8_0");
}

TEST_F(GoldensTest, EveryGgufOpensWithKeysAndTensors) {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(GoldensFolder())) {
    if (entry.path().extension() != ".gguf") continue;
    const auto file = GgufFile::Open(entry.path().string());
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    EXPECT_TRUE(file->GetString("general.architecture").ok());
    EXPECT_FALSE(file->tensors().empty());
    for (const GgufTensor& tensor : file->tensors()) {
      EXPECT_EQ(file->FindTensor(tensor.name), &tensor);
    }
    ++files;
  }
  EXPECT_GE(files, 8);
}

TEST_F(GoldensTest, SafetensorsHoldWhatTheGgufHolds) {
  const auto hf = SafetensorsFile::Open(Model("v25_tiny/hf"));
  ASSERT_TRUE(hf.ok()) << hf.status().ToString();
  const auto gguf = GgufFile::Open(Model("v25_tiny/gguf/llm-f32.gguf"));
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
