// All published vectors, and the tiny models' HF folders against their GGUFs.
#include "family/tokenizer/test_tokenizers.h"

namespace mcv {
namespace {

class VectorsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(VectorsTest, EveryStringGivesTheReferenceIds) {
  MCV_GOLDEN_OR_SKIP(folder, std::string("tokenizers/") + GetParam());
  const auto tokenizer = LoadFolder(folder);
  ASSERT_NE(tokenizer, nullptr);
  const auto vectors = ReadVectors(folder + ".vectors.jsonl");
  EXPECT_EQ(vectors.size(), 200u);
  for (const TokenizerVector& vector : vectors) {
    EXPECT_EQ(tokenizer->EncodeWithSpecials(vector.text), vector.ids) << vector.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Published, VectorsTest, ::testing::Values("minicpmv20", "llama3", "qwen2"),
                         [](const auto& info) { return std::string(info.param); });

struct TinyPair {
  const char* model;
  const char* gguf;
};
class TinyPairTest : public ::testing::TestWithParam<TinyPair> {};

TEST_P(TinyPairTest, FolderAndGgufAgree) {
  const std::string model = std::string("models/") + GetParam().model;
  MCV_GOLDEN_OR_SKIP(hf_folder, model + "/hf");
  MCV_GOLDEN_OR_SKIP(gguf_file, model + "/gguf/" + GetParam().gguf);
  const auto hf = LoadFolder(hf_folder);
  const auto gguf = LoadGguf(gguf_file);
  ASSERT_TRUE(hf != nullptr && gguf != nullptr);
  EXPECT_EQ(hf->vocab_size(), gguf->vocab_size());
  EXPECT_EQ(hf->kind(), gguf->kind());
  EXPECT_EQ(hf->stop_ids().empty(), false);
  for (int id = 0; id < hf->vocab_size(); ++id) {
    EXPECT_EQ(hf->TokenBytes(id), gguf->TokenBytes(id)) << id;
    EXPECT_EQ(hf->IsControl(id), gguf->IsControl(id)) << id << " " << hf->TokenBytes(id);
  }
  MCV_GOLDEN_OR_SKIP(texts, "tokenizers/minicpmv20.vectors.jsonl");
  for (const TokenizerVector& vector : ReadVectors(texts)) {
    EXPECT_EQ(hf->EncodeWithSpecials(vector.text), gguf->EncodeWithSpecials(vector.text))
        << vector.text;
    EXPECT_EQ(hf->EncodeText(vector.text), gguf->EncodeText(vector.text)) << vector.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, TinyPairTest,
                         ::testing::Values(TinyPair{"v20_tiny", "llm-f16.gguf"},
                                           TinyPair{"v25_tiny", "llm-f32.gguf"},
                                           TinyPair{"v26_tiny", "llm-f32.gguf"}),
                         [](const auto& info) { return std::string(info.param.model); });

}  // namespace
}  // namespace mcv
