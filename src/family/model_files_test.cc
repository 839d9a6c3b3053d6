// Opens the tiny golden models in both layouts, and damaged copies of them.
#include "family/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/file_writer.h"
#include "family/test_models.h"
#include "tests/support/goldens.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Models of which both layouts may be there; names of the GGUF's LLM file.
struct Pair {
  const char* model;
  const char* llm;
  Version version;
};
constexpr Pair kPairs[] = {{"v20_tiny", "llm-f16.gguf", Version::kV2_0},
                           {"v25_tiny", "llm-f32.gguf", Version::kV2_5},
                           {"v26_tiny", "llm-f32.gguf", Version::kV2_6}};

// A folder of its own per test, removed afterwards.
class ModelFilesTest : public ::testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& bytes) {
    const std::string path = (folder_ / name).string();
    EXPECT_TRUE(WriteFile(path, bytes).ok());
    return path;
  }

  TestFolder folder_{"model_files_test"};
};

// Overwrites the 32-bit value of a key in the bytes of a GGUF.
void PatchU32(std::string& gguf, const std::string& key, uint32_t value) {
  const size_t at = gguf.find(key);
  ASSERT_NE(at, std::string::npos) << key;
  std::memcpy(gguf.data() + at + key.size() + 4, &value, 4);
}

void PatchText(std::string& bytes, const std::string& from, const std::string& to) {
  ASSERT_EQ(from.size(), to.size());
  const size_t at = bytes.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  bytes.replace(at, from.size(), to);
}

// The committed mmproj file, claiming to be of 2.0.
std::string MmprojOf20() {
  std::string bytes = ReadAll(Committed(k25Mmproj));
  const size_t value = bytes.find("2.5", bytes.find("minicpmv.version"));
  bytes.replace(value, 3, "2.0");
  PatchU32(bytes, "clip.minicpmv_version", 1);
  return bytes;
}

void ExpectSameConfig(const ModelConfig& a, const ModelConfig& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.has_vision, b.has_vision);
  EXPECT_EQ(a.text.arch, b.text.arch);
  EXPECT_EQ(a.text.layers, b.text.layers);
  EXPECT_EQ(a.text.width, b.text.width);
  EXPECT_EQ(a.text.ffn, b.text.ffn);
  EXPECT_EQ(a.text.heads, b.text.heads);
  EXPECT_EQ(a.text.kv_heads, b.text.kv_heads);
  EXPECT_EQ(a.text.head_dim, b.text.head_dim);
  EXPECT_EQ(a.text.vocab, b.text.vocab);
  EXPECT_EQ(a.text.max_positions, b.text.max_positions);
  EXPECT_EQ(a.text.rms_eps, b.text.rms_eps);
  EXPECT_EQ(a.text.rope_theta, b.text.rope_theta);
  EXPECT_EQ(a.text.qkv_bias, b.text.qkv_bias);
  EXPECT_EQ(a.text.tied_head, b.text.tied_head);
  EXPECT_EQ(a.text.embedding_scale, b.text.embedding_scale);
  EXPECT_EQ(a.text.residual_scale, b.text.residual_scale);
  EXPECT_EQ(a.text.logit_divisor, b.text.logit_divisor);
  EXPECT_EQ(a.vision.width, b.vision.width);
  EXPECT_EQ(a.vision.layers, b.vision.layers);
  EXPECT_EQ(a.vision.heads, b.vision.heads);
  EXPECT_EQ(a.vision.ffn, b.vision.ffn);
  EXPECT_EQ(a.vision.patch, b.vision.patch);
  EXPECT_EQ(a.vision.table_side, b.vision.table_side);
  EXPECT_EQ(a.vision.norm_eps, b.vision.norm_eps);
  EXPECT_EQ(a.vision.activation, b.vision.activation);
  EXPECT_EQ(a.vision.position_rule, b.vision.position_rule);
  EXPECT_EQ(a.vision.bucket_rule, b.vision.bucket_rule);
  EXPECT_EQ(a.resampler.queries, b.resampler.queries);
  EXPECT_EQ(a.resampler.width, b.resampler.width);
  EXPECT_EQ(a.resampler.kv_width, b.resampler.kv_width);
  EXPECT_EQ(a.resampler.heads, b.resampler.heads);
  EXPECT_EQ(a.resampler.norm_eps, b.resampler.norm_eps);
  EXPECT_EQ(a.resampler.positions, b.resampler.positions);
  EXPECT_EQ(a.slicing.rule, b.slicing.rule);
  EXPECT_EQ(a.slicing.scale_resolution, b.slicing.scale_resolution);
  EXPECT_EQ(a.slicing.patch, b.slicing.patch);
  EXPECT_EQ(a.slicing.max_slices, b.slicing.max_slices);
  EXPECT_EQ(a.projector_predivided, b.projector_predivided);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(a.image_mean[i], b.image_mean[i]);
    EXPECT_EQ(a.image_std[i], b.image_std[i]);
  }
}

class BothLayouts : public ::testing::TestWithParam<Pair> {};
INSTANTIATE_TEST_SUITE_P(Goldens, BothLayouts, ::testing::ValuesIn(kPairs),
                         [](const auto& info) { return std::string(info.param.model); });

// One model in two layouts is one configuration and the same numbers in every tensor.
TEST_P(BothLayouts, HoldTheSameModel) {
  const std::string base = std::string("models/") + GetParam().model;
  const std::string gguf_path = base + "/gguf/" + GetParam().llm;
  MCV_GOLDEN_OR_SKIP(hf_path, base + "/hf/model.safetensors");
  MCV_GOLDEN_OR_SKIP(llm_path, gguf_path);
  const auto hf = ModelFiles::Open(hf_path);
  ASSERT_TRUE(hf.ok()) << hf.status().ToString();
  const auto gguf = ModelFiles::Open(llm_path);
  ASSERT_TRUE(gguf.ok()) << gguf.status().ToString();

  EXPECT_EQ(hf->config().version, GetParam().version);
  EXPECT_TRUE(gguf->config().has_vision);
  EXPECT_EQ(hf->config().text.rope_pairing, RopePairing::kHalves);
  EXPECT_EQ(gguf->config().text.rope_pairing, Row(gguf->config().text.arch).gguf_pairing);
  ExpectSameConfig(hf->config(), gguf->config());
  EXPECT_TRUE(hf->CheckComplete().unexpected.empty());
  EXPECT_TRUE(gguf->CheckComplete().unexpected.empty());
  for (const TensorSpec& spec : hf->tensors()) {
    const auto a = ReadTensor(*hf, spec);
    const auto b = ReadTensor(*gguf, *gguf->FindSpec(spec.id));
    ASSERT_TRUE(a.ok()) << a.status().ToString();
    ASSERT_TRUE(b.ok()) << b.status().ToString();
    EXPECT_EQ(*a, *b) << spec.id;
  }
}

TEST_F(ModelFilesTest, EveryRowIsFoundInTheCommittedModels) {
  for (const char* name : {k20Hf, k25Llm, k25LlmF16}) {
    const auto files = ModelFiles::Open(Committed(name));
    ASSERT_TRUE(files.ok()) << files.status().ToString();
    EXPECT_TRUE(files->config().has_vision) << name;
    for (const TensorSpec& spec : files->tensors()) {
      const auto data = files->Find(spec.id);
      ASSERT_TRUE(data.ok()) << data.status().ToString();
      EXPECT_EQ(data->rows, spec.rows);
      EXPECT_EQ(data->cols, spec.cols);
      EXPECT_NE(data->file, nullptr);
      EXPECT_EQ(data->from_hf, files->is_hf());
    }
    files->Drop(TensorFile::kVision);
    EXPECT_EQ(files->Find("text.7.attn_q").status().code(), StatusCode::kNotFound);
  }
}

TEST_F(ModelFilesTest, MovingKeepsViews) {
  auto opened = ModelFiles::Open(Committed(k25LlmF16));
  ASSERT_TRUE(opened.ok());
  const std::byte* before = opened->Find("text.1.attn_norm")->bytes.data();
  const ModelFiles moved = *std::move(opened);
  EXPECT_EQ(moved.Find("text.1.attn_norm")->bytes.data(), before);
}

TEST_F(ModelFilesTest, FilesInMemoryHoldTheSameAndAreNeverGivenBack) {
  for (const char* name : {k20Hf, k25LlmF16}) {
    auto files = ModelFiles::Open(Committed(name));
    ASSERT_TRUE(files.ok());
    const auto mapped = ModelFiles::Open(Committed(name));
    EXPECT_GT(files->mapped_bytes(), 0u);
    ASSERT_TRUE(files->ReadIntoMemory().ok());
    EXPECT_EQ(files->mapped_bytes(), 0u);
    for (const TensorFile half : {TensorFile::kText, TensorFile::kVision}) {
      EXPECT_TRUE(files->MappedRanges(half).empty());
      files->Drop(half);
    }
    for (const TensorSpec& spec : files->tensors()) {
      EXPECT_EQ(*ReadTensor(*files, spec), *ReadTensor(*mapped, spec)) << spec.id;
    }
  }
}

TEST_F(ModelFilesTest, OptionsOverrideTheRules) {
  OpenOptions options;
  options.position_rule = PositionRule::kGrid;
  options.bucket_rule = BucketRule::kExact;
  const auto files = ModelFiles::Open(Committed(k25Llm), options);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_EQ(files->config().vision.position_rule, PositionRule::kGrid);
  EXPECT_EQ(files->config().vision.bucket_rule, BucketRule::kExact);
  options.position_rule = PositionRule::kInterpolated;
  EXPECT_THAT(ModelFiles::Open(Committed(k25Llm), options).status().message(),
              HasSubstr("does not fit version 2.5"));
}

TEST_F(ModelFilesTest, TheLlmAloneIsATextModel) {
  const std::string alone = Put("llm.gguf", ReadAll(Committed(k25Llm)));
  const auto files = ModelFiles::Open(folder_.string());
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_FALSE(files->config().has_vision);
  EXPECT_TRUE(files->notes().empty());
  EXPECT_EQ(files->Find("vision.patch").status().code(), StatusCode::kNotFound);
}

TEST_F(ModelFilesTest, AForeignMmprojBesideIsNotedAndNotUsed) {
  const std::string llm = Put("llm.gguf", ReadAll(Committed(k25Llm)));
  Put("mmproj.gguf", MmprojOf20());
  const auto files = ModelFiles::Open(llm);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_FALSE(files->config().has_vision);
  ASSERT_EQ(files->notes().size(), 1u);
  EXPECT_THAT(files->notes()[0], HasSubstr("do not belong together"));
}

TEST_F(ModelFilesTest, RefusesPairsThatDoNotBelongTogether) {
  OpenOptions options;
  options.mmproj = Put("foreign.gguf", MmprojOf20());
  EXPECT_THAT(ModelFiles::Open(Committed(k25Llm), options).status().message(),
              AllOf(HasSubstr("do not belong together"), HasSubstr("MiniCPM-V 2.0"),
                    HasSubstr("minicpm"), HasSubstr("llama")));

  EXPECT_THAT(ModelFiles::Open(Committed(k25LlmF16), options).status().message(),
              AllOf(HasSubstr("is of MiniCPM-Llama3-V 2.5"), HasSubstr("of MiniCPM-V 2.0")));

  // A wider LLM of the right kind.
  options.mmproj = Committed(k25Mmproj);
  std::string wide = ReadAll(Committed(k25LlmF16));
  PatchU32(wide, "llama.embedding_length", 512);
  PatchU32(wide, "llama.attention.head_count", 8);
  EXPECT_THAT(ModelFiles::Open(Put("wide.gguf", wide), options).status().message(),
              AllOf(HasSubstr("ends in 256 columns"), HasSubstr("is 512 wide")));

  std::string queries = ReadAll(Committed(k25Mmproj));
  PatchU32(queries, "clip.minicpmv_query_num", 64);
  options.mmproj = Put("queries.gguf", queries);
  EXPECT_THAT(ModelFiles::Open(Committed(k25LlmF16), options).status().message(),
              HasSubstr("clip.minicpmv_query_num is 64 but tensor resampler.query has 96 rows"));

  std::string newer = ReadAll(Committed(k25Mmproj));
  PatchU32(newer, "clip.minicpmv_version", 6);
  options.mmproj = Put("newer.gguf", newer);
  EXPECT_THAT(ModelFiles::Open(Committed(k25LlmF16), options).status().message(),
              HasSubstr("clip.minicpmv_version 6, but minicpmv.version says 2.5"));
  PatchText(newer, "minicpmv.version", "minicpmv.xersion");
  options.mmproj = Put("newer.gguf", newer);
  EXPECT_THAT(ModelFiles::Open(Committed(k25Llm), options).status().message(),
              HasSubstr("clip.minicpmv_version is 6, which this program does not run"));

  EXPECT_THAT(ModelFiles::Open(Committed(k25Mmproj)).status().message(),
              HasSubstr("this is an mmproj file"));
}

TEST_F(ModelFilesTest, MissingAndForeignTensorsAreNamed) {
  std::string damaged = ReadAll(Committed(k25LlmF16));
  PatchText(damaged, "blk.1.attn_q.weight", "blk.1.attn_q.strang");
  const std::string path = Put("damaged.gguf", damaged);
  const auto files = ModelFiles::Open(path);
  EXPECT_THAT(files.status().message(),
              AllOf(HasSubstr(path),
                    HasSubstr("missing tensors: text.1.attn_q (GGUF "
                              "blk.1.attn_q.weight, HF "
                              "llm.model.layers.1.self_attn.q_proj.weight)"),
                    HasSubstr("'blk.1.attn_q.strang'")));

  OpenOptions options;
  options.allow_incomplete = true;
  const auto incomplete = ModelFiles::Open(path, options);
  ASSERT_TRUE(incomplete.ok()) << incomplete.status().ToString();
  EXPECT_EQ(incomplete->CheckComplete().missing.size(), 1u);
  EXPECT_EQ(incomplete->CheckComplete().foreign.size(), 1u);
}

TEST_F(ModelFilesTest, WrongShapesAreNamedWithBothShapes) {
  std::string damaged = ReadAll(Committed(k25LlmF16));
  PatchU32(damaged, "llama.feed_forward_length", 128);
  EXPECT_THAT(ModelFiles::Open(Put("damaged.gguf", damaged)).status().message(),
              AllOf(HasSubstr("text.0.ffn_gate"), HasSubstr("has dims [256, 256]"),
                    HasSubstr("expected [256, 128]")));
}

TEST_F(ModelFilesTest, HfShapesAreHeldAgainstTheConfiguration) {
  const fs::path source = Committed(k20Hf);
  std::string config = ReadAll((source / "config.json").string());
  PatchText(config, "\"vocab_size\": 448", "\"vocab_size\": 449");
  Put("config.json", config);
  Put("model.safetensors", ReadAll((source / "model.safetensors").string()));
  EXPECT_THAT(ModelFiles::Open(folder_.string()).status().message(),
              AllOf(HasSubstr("text.embed"), HasSubstr("has shape [448, 256]"),
                    HasSubstr("expected [449, 256]")));
}

TEST_F(ModelFilesTest, SaysWhatItExpectsWhereThereIsNoModel) {
  EXPECT_EQ(ModelFiles::Open((folder_ / "absent").string()).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(ModelFiles::Open(folder_.string()).status().message(),
              HasSubstr("no model in this folder"));
  Put("config.json", "{}");
  EXPECT_THAT(ModelFiles::Open(folder_.string()).status().message(),
              HasSubstr("cannot tell the version"));
}

TEST_F(ModelFilesTest, TwoLanguageModelsInAFolderAskForAName) {
  const std::string bytes = ReadAll(Committed(k25Llm));
  Put("a.gguf", bytes);
  Put("b.gguf", bytes);
  EXPECT_THAT(ModelFiles::Open(folder_.string()).status().message(),
              AllOf(HasSubstr("2 language model files"), HasSubstr("a.gguf")));
}

TEST_F(ModelFilesTest, ASafetensorsPathOpensItsFolder) {
  const auto files = ModelFiles::Open(Committed(k20Hf) + "/model.safetensors");
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_EQ(files->config().version, Version::kV2_0);
}

}  // namespace
}  // namespace mcv
