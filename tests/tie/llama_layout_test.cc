// The exported pair against the layout that llama.cpp publishes for MiniCPM-Llama3-V 2.5, written
// down here by hand: the exporter's own table cannot vouch for itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "formats/gguf/gguf_file.h"
#include "tests/tie/trained_model.h"

namespace mcv::tie {
namespace {

using testing::Pair;
using testing::UnorderedElementsAreArray;
using Dims = std::vector<uint64_t>;  // fastest first, as in the file
using Layout = std::map<std::string, Dims>;
using Types = std::map<std::string, GgufType>;

GgufFile OpenPart(const std::string& name) {
  auto file = GgufFile::Open(TrainedModel::Get().PathOf(Form::kGgufQ8_0) + "/" + name);
  MCV_CHECK(file.ok());
  return *std::move(file);
}
GgufFile TextFile() { return OpenPart("llm-q8_0.gguf"); }
GgufFile VisionFile() { return OpenPart("mmproj-q8_0.gguf"); }

Layout LayoutOf(const GgufFile& file) {
  Layout layout;
  for (const GgufTensor& tensor : file.tensors()) layout[std::string(tensor.name)] = tensor.dims;
  return layout;
}

// Keys and their types, without those that are this project's own.
Types TypesOf(const GgufFile& file) {
  Types types;
  for (const GgufKey& key : file.keys()) types[std::string(key.name)] = key.value.type;
  for (const char* own :
       {"minicpmv.version", "clip.vision.position_rule", "clip.minicpmv_max_slice_nums"}) {
    types.erase(own);
  }
  return types;
}

// The sizes of the tiny model, named as below: vocabulary, width, key width, ffn; C, F and Q.
struct Sizes {
  explicit Sizes(const ModelConfig& config)
      : v(config.text.vocab),
        e(config.text.width),
        kv(config.text.kv_heads * config.text.head_dim),
        ffn(config.text.ffn),
        c(config.vision.width),
        f(config.vision.ffn),
        q(config.resampler.queries),
        text_layers(config.text.layers),
        vision_layers(config.vision.layers) {}
  uint64_t v, e, kv, ffn, c, f, q;
  int text_layers, vision_layers;
};

TEST(LlamaLayoutTest, LanguageModelTensors) {
  const Sizes s(TrainedModel::Get().config());
  Layout expected = {{"token_embd.weight", {s.e, s.v}},
                     {"output_norm.weight", {s.e}},
                     {"output.weight", {s.e, s.v}}};
  for (int i = 0; i < s.text_layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    expected[block + "attn_norm.weight"] = {s.e};
    expected[block + "attn_q.weight"] = {s.e, s.e};
    expected[block + "attn_k.weight"] = {s.e, s.kv};
    expected[block + "attn_v.weight"] = {s.e, s.kv};
    expected[block + "attn_output.weight"] = {s.e, s.e};
    expected[block + "ffn_norm.weight"] = {s.e};
    expected[block + "ffn_gate.weight"] = {s.e, s.ffn};
    expected[block + "ffn_up.weight"] = {s.e, s.ffn};
    expected[block + "ffn_down.weight"] = {s.ffn, s.e};
  }
  EXPECT_THAT(LayoutOf(TextFile()), UnorderedElementsAreArray(expected));
}

TEST(LlamaLayoutTest, EncoderTensors) {
  const Sizes s(TrainedModel::Get().config());
  Layout expected = {{"v.patch_embd.weight", {14, 14, 3, s.c}},
                     {"v.patch_embd.bias", {s.c}},
                     {"v.position_embd.weight", {s.c, 4900}},
                     {"v.post_ln.weight", {s.c}},
                     {"v.post_ln.bias", {s.c}},
                     {"resampler.query", {s.e, s.q}},
                     {"resampler.pos_embed_k", {s.e, 4900}},
                     {"resampler.proj.weight", {s.e, s.e}},
                     {"resampler.kv.weight", {s.c, s.e}}};
  for (const char* name : {"attn.q", "attn.k", "attn.v", "attn.out"}) {
    expected[std::string("resampler.") + name + ".weight"] = {s.e, s.e};
    expected[std::string("resampler.") + name + ".bias"] = {s.e};
  }
  for (const char* name : {"ln_q", "ln_kv", "ln_post"}) {
    expected[std::string("resampler.") + name + ".weight"] = {s.e};
    expected[std::string("resampler.") + name + ".bias"] = {s.e};
  }
  for (int i = 0; i < s.vision_layers; ++i) {
    const std::string block = "v.blk." + std::to_string(i) + ".";
    for (const char* name : {"ln1", "ln2"}) {
      expected[block + name + ".weight"] = {s.c};
      expected[block + name + ".bias"] = {s.c};
    }
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_out"}) {
      expected[block + name + ".weight"] = {s.c, s.c};
      expected[block + name + ".bias"] = {s.c};
    }
    // The first published files swapped these two names, and all readers expect it since.
    expected[block + "ffn_down.weight"] = {s.c, s.f};
    expected[block + "ffn_down.bias"] = {s.f};
    expected[block + "ffn_up.weight"] = {s.f, s.c};
    expected[block + "ffn_up.bias"] = {s.c};
  }
  EXPECT_THAT(LayoutOf(VisionFile()), UnorderedElementsAreArray(expected));
}

TEST(LlamaLayoutTest, LanguageModelKeys) {
  constexpr GgufType kU32 = GgufType::kU32, kF32 = GgufType::kF32, kBool = GgufType::kBool,
                     kString = GgufType::kString, kArray = GgufType::kArray;
  Types types = TypesOf(TextFile());
  const Types needed = {{"general.architecture", kString},
                        {"general.name", kString},
                        {"general.file_type", kU32},
                        {"general.quantization_version", kU32},
                        {"llama.context_length", kU32},
                        {"llama.embedding_length", kU32},
                        {"llama.block_count", kU32},
                        {"llama.feed_forward_length", kU32},
                        {"llama.attention.head_count", kU32},
                        {"llama.attention.head_count_kv", kU32},
                        {"llama.attention.layer_norm_rms_epsilon", kF32},
                        {"llama.rope.freq_base", kF32},
                        {"llama.rope.dimension_count", kU32},
                        {"llama.vocab_size", kU32},
                        {"tokenizer.ggml.model", kString},
                        {"tokenizer.ggml.pre", kString},
                        {"tokenizer.ggml.tokens", kArray},
                        {"tokenizer.ggml.token_type", kArray},
                        {"tokenizer.ggml.merges", kArray},
                        {"tokenizer.ggml.bos_token_id", kU32},
                        {"tokenizer.ggml.eos_token_id", kU32},
                        {"tokenizer.chat_template", kString}};
  for (const auto& [key, type] : needed) {
    EXPECT_THAT(types, testing::Contains(Pair(key, type)));
    types.erase(key);
  }
  // Whatever else is there is known to readers too.
  const Types optional = {
      {"tokenizer.ggml.eot_token_id", kU32},     {"tokenizer.ggml.unknown_token_id", kU32},
      {"tokenizer.ggml.padding_token_id", kU32}, {"tokenizer.ggml.add_bos_token", kBool},
      {"tokenizer.ggml.add_eos_token", kBool},   {"tokenizer.ggml.add_space_prefix", kBool}};
  for (const auto& [key, type] : types) EXPECT_THAT(optional, testing::Contains(Pair(key, type)));
}

TEST(LlamaLayoutTest, LanguageModelValues) {
  const GgufFile file = TextFile();
  EXPECT_EQ(*file.GetString("general.architecture"), "llama");
  EXPECT_EQ(*file.GetString("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(*file.GetString("tokenizer.ggml.pre"), "llama-bpe");
  const auto tokens = *file.GetStrings("tokenizer.ggml.tokens");
  const auto types = *file.GetInts("tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), static_cast<uint64_t>(TrainedModel::Get().config().text.vocab));
  ASSERT_EQ(types.size(), tokens.size());
  EXPECT_EQ(tokens[*file.GetUint("tokenizer.ggml.bos_token_id")], "<|begin_of_text|>");
  // The places of a picture are found by these names.
  for (const char* name : {"<image>", "</image>", "<slice>", "</slice>", "<|eot_id|>",
                           "<|start_header_id|>", "<|end_header_id|>"}) {
    EXPECT_THAT(tokens, testing::Contains(std::string_view(name)));
  }
  // U+010A is a newline in the byte alphabet; readers look it up to join rows of slices.
  EXPECT_THAT(tokens, testing::Contains(std::string_view("\xC4\x8A")));
}

TEST(LlamaLayoutTest, EncoderKeys) {
  constexpr GgufType kU32 = GgufType::kU32, kF32 = GgufType::kF32, kBool = GgufType::kBool,
                     kString = GgufType::kString, kArray = GgufType::kArray;
  const Types expected = {{"general.architecture", kString},
                          {"general.name", kString},
                          {"general.description", kString},
                          {"general.file_type", kU32},
                          {"clip.has_text_encoder", kBool},
                          {"clip.has_vision_encoder", kBool},
                          {"clip.has_minicpmv_projector", kBool},
                          {"clip.projector_type", kString},
                          {"clip.minicpmv_version", GgufType::kI32},
                          {"clip.minicpmv_query_num", kU32},
                          {"clip.vision.image_size", kU32},
                          {"clip.vision.patch_size", kU32},
                          {"clip.vision.embedding_length", kU32},
                          {"clip.vision.feed_forward_length", kU32},
                          {"clip.vision.projection_dim", kU32},
                          {"clip.vision.attention.head_count", kU32},
                          {"clip.vision.attention.layer_norm_epsilon", kF32},
                          {"clip.vision.block_count", kU32},
                          {"clip.vision.image_mean", kArray},
                          {"clip.vision.image_std", kArray},
                          {"clip.use_gelu", kBool}};
  const GgufFile file = VisionFile();
  EXPECT_THAT(TypesOf(file), UnorderedElementsAreArray(expected));
  EXPECT_EQ(*file.GetString("general.architecture"), "clip");
  EXPECT_EQ(*file.GetString("clip.projector_type"), "resampler");
  EXPECT_EQ(*file.GetInt("clip.minicpmv_version"), 2);
  EXPECT_EQ(*file.GetUint("clip.minicpmv_query_num"), Sizes(TrainedModel::Get().config()).q);
  EXPECT_EQ(*file.GetUint("clip.vision.image_size"), 84u);
  EXPECT_THAT(*file.GetFloats("clip.vision.image_mean"), testing::ElementsAre(0.5, 0.5, 0.5));
  EXPECT_THAT(*file.GetFloats("clip.vision.image_std"), testing::ElementsAre(0.5, 0.5, 0.5));
}

// Readers add vectors and the query table in fp32 and know no quantised convolution.
TEST(LlamaLayoutTest, TypesThatReadersInsistOn) {
  const GgufFile text = TextFile();
  const GgufFile vision = VisionFile();
  for (const GgufFile* file : {&text, &vision}) {
    for (const GgufTensor& tensor : file->tensors()) {
      if (tensor.dims.size() != 1) continue;
      EXPECT_EQ(tensor.type, DType::kF32) << tensor.name;
    }
  }
  EXPECT_EQ(vision.FindTensor("v.patch_embd.weight")->type, DType::kF16);
  EXPECT_EQ(vision.FindTensor("v.position_embd.weight")->type, DType::kF16);
  EXPECT_EQ(vision.FindTensor("resampler.query")->type, DType::kF32);
  EXPECT_EQ(text.FindTensor("blk.0.attn_q.weight")->type, DType::kQ8_0);
}

}  // namespace
}  // namespace mcv::tie
