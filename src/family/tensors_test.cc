// The table against the published parameter counts (model-spec 1.1), to the last parameter, and
// against the tensor counts of published GGUF files (3.4).
#include "family/tensors.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "family/config_hf.h"
#include "family/test_models.h"

namespace mcv {
namespace {

ModelConfig Parse(const std::string& json) {
  auto config = ParseHfConfig(json, "", "model");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? *config : ModelConfig();
}

int64_t Count(const std::vector<TensorSpec>& table,
              const std::function<bool(const TensorSpec&)>& wanted) {
  int64_t sum = 0;
  for (const TensorSpec& spec : table) {
    if (wanted(spec)) sum += spec.elements();
  }
  return sum;
}
bool IsText(const TensorSpec& spec) { return spec.file == TensorFile::kText; }
bool IsResampler(const TensorSpec& spec) { return spec.id.starts_with("resampler."); }
bool IsPositionTable(const TensorSpec& spec) { return spec.id == "vision.positions"; }
bool IsTower(const TensorSpec& spec) { return spec.id.starts_with("vision."); }
bool Any(const TensorSpec&) { return true; }

size_t Tensors(const std::vector<TensorSpec>& table, TensorFile file) {
  size_t count = 0;
  for (const TensorSpec& spec : table) count += spec.file == file;
  return count;
}

TEST(TensorTable, PublishedSizeOf10And20) {
  for (const std::string& json : {Published10Config(), Published20Config()}) {
    const auto table = TensorTable(Parse(json));
    EXPECT_EQ(Count(table, IsText), 3'007'703'808);
    EXPECT_EQ(Count(table, IsTower), 396'907'936 + 839'808);
    EXPECT_EQ(Count(table, IsPositionTable), 839'808);
    EXPECT_EQ(Count(table, IsResampler), 29'514'240);
    EXPECT_EQ(Count(table, Any), 3'434'965'792);
    EXPECT_EQ(Tensors(table, TensorFile::kText), 363u);
  }
}

TEST(TensorTable, PublishedSizeOf25) {
  const auto table = TensorTable(Parse(Published25Config()));
  EXPECT_EQ(Count(table, IsText), 8'030'261'248);
  EXPECT_EQ(Count(table, IsTower), 417'792'240);
  EXPECT_EQ(Count(table, IsResampler), 89'038'848);
  EXPECT_EQ(Count(table, Any), 8'537'092'336);
  EXPECT_EQ(Tensors(table, TensorFile::kText), 291u);
  // 455 in published files: one of them is the sine-cosine table, which is computed.
  EXPECT_EQ(Tensors(table, TensorFile::kVision), 454u);
}

TEST(TensorTable, TensorCountOf26) {
  const auto table = TensorTable(Parse(Published26Config()));
  EXPECT_EQ(Tensors(table, TensorFile::kText), 339u);
  EXPECT_EQ(Tensors(table, TensorFile::kVision), 454u);
}

TEST(TensorTable, OneTowerBlockHasThePublishedSize) {
  for (const std::string& json : {Published20Config(), Published25Config()}) {
    const auto table = TensorTable(Parse(json));
    EXPECT_EQ(Count(table, [](const TensorSpec& spec) { return spec.id.starts_with("vision.0."); }),
              15'239'504);
  }
}

TEST(TensorTable, NamesAreUniqueAndSlicesTileTheirTensors) {
  for (const std::string& json :
       {Published10Config(), Published20Config(), Published25Config(), Published26Config()}) {
    std::set<std::string> ids, gguf_names;
    std::map<std::string, int64_t> covered, whole;
    for (const TensorSpec& spec : TensorTable(Parse(json))) {
      EXPECT_TRUE(ids.insert(spec.id).second) << spec.id;
      EXPECT_TRUE(gguf_names.insert(spec.gguf_name).second) << spec.gguf_name;
      int64_t elements = 1;
      for (int64_t axis : spec.hf_shape) elements *= axis;
      covered[spec.hf_name] += spec.elements();
      whole[spec.hf_name] = elements;
      EXPECT_LE((spec.hf_row_begin + spec.rows) * spec.cols, elements) << spec.id;
      int64_t dims = 1;
      for (int64_t axis : spec.gguf_dims) dims *= axis;
      EXPECT_EQ(dims, spec.elements()) << spec.id;
    }
    EXPECT_EQ(covered, whole);
  }
}

TEST(TensorTable, TextAloneHasNoVisionRows) {
  ModelConfig config = Parse(Published25Config());
  config.has_vision = false;
  const auto table = TensorTable(config);
  EXPECT_EQ(Tensors(table, TensorFile::kVision), 0u);
  EXPECT_EQ(Tensors(table, TensorFile::kText), 291u);
}

TEST(TensorTable, TiedHeadHasNoRow) {
  ModelConfig config = Parse(Published25Config());
  config.text.tied_head = true;
  for (const TensorSpec& spec : TensorTable(config)) EXPECT_NE(spec.id, "text.head");
}

TEST(RopeRowOfHf, InterleavesTheHalvesOfEachHead) {
  // Head width 6: HF rows 0 1 2 | 3 4 5 lie in GGUF rows 0 2 4 | 1 3 5; the next head follows.
  const int64_t expected[] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
  for (int64_t row = 0; row < 12; ++row) EXPECT_EQ(RopeRowOfHf(row, 6), expected[row]);
}

}  // namespace
}  // namespace mcv
