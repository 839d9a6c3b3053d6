// What people point at: caches, parts, files under other names, and what is no model at all.
#include "family/model_location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file_writer.h"
#include "family/model_files.h"
#include "family/test_models.h"
#include "family/tokenizer/tokenizer.h"
#include "formats/gguf/gguf_fixture.h"
#include "formats/gguf/gguf_writer.h"
#include "formats/safetensors/safetensors_file.h"
#include "tests/support/goldens.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kLfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n";

class ModelLocationTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Put(const std::string& name, const std::string& bytes) const {
    fs::create_directories(fs::path(Path(name)).parent_path());
    EXPECT_TRUE(WriteFile(Path(name), bytes).ok());
    return Path(name);
  }
  std::string Put(const std::string& name, const ByteVector& bytes) const {
    return Put(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  void Copy(const std::string& from, const std::string& name) const {
    fs::create_directories(fs::path(Path(name)).parent_path());
    fs::copy_file(Committed(from), Path(name), fs::copy_options::overwrite_existing);
  }
  void CopyHf(const std::string& to) const {
    for (const auto& entry : fs::directory_iterator(Committed(k20Hf))) {
      Copy(std::string(k20Hf) + "/" + entry.path().filename().string(),
           to + "/" + entry.path().filename().string());
    }
  }
  void ExpectRefused(const std::string& path, const std::vector<std::string>& words) const {
    const auto files = ModelFiles::Open(path);
    ASSERT_FALSE(files.ok()) << path;
    EXPECT_LT(files.status().message().size(), 500u);
    for (const std::string& word : words) {
      EXPECT_THAT(files.status().message(), HasSubstr(word));
    }
  }
  TestFolder folder_{"model_location_test"};
};

TEST_F(ModelLocationTest, VisionFilesAreKnownByWhatTheyAre) {
  Copy(k25LlmF16, "the model.GGUF");
  Copy(k25Mmproj, "eyes.GGUF");
  for (const std::string& path : {folder_.string(), Path("the model.GGUF")}) {
    const auto files = ModelFiles::Open(path);
    ASSERT_TRUE(files.ok()) << files.status().message();
    EXPECT_TRUE(files->config().has_vision);
    EXPECT_TRUE(files->notes().empty());
    EXPECT_EQ(files->why_no_vision(), "");
  }
  // A language model whose name says otherwise is none.
  fs::rename(Path("eyes.GGUF"), Path("mmproj-b.gguf"));
  fs::rename(Path("the model.GGUF"), Path("mmproj-a.gguf"));
  EXPECT_TRUE(ModelFiles::Open(folder_.string())->config().has_vision);
  Copy(k25Mmproj, "mmproj-c.gguf");
  const auto two = ModelFiles::Open(folder_.string());
  ASSERT_EQ(two->notes().size(), 1u);
  EXPECT_THAT(two->notes()[0], AllOf(HasSubstr("mmproj-b.gguf is used"), HasSubstr("--mmproj"),
                                     HasSubstr("mmproj-c.gguf")));
  fs::remove(Path("mmproj-b.gguf"));
  fs::remove(Path("mmproj-c.gguf"));
  EXPECT_THAT(ModelFiles::Open(folder_.string())->why_no_vision(),
              AllOf(HasSubstr("--mmproj"), HasSubstr(folder_.string())));
}

TEST_F(ModelLocationTest, FoldersOfTheHuggingFaceCache) {
  const std::string repository = "models--openbmb--MiniCPM-V-2";
  CopyHf(repository + "/snapshots/abc123");
  const auto expect_opens = [&](const std::string& path) {
    const auto files = ModelFiles::Open(Path(path));
    ASSERT_TRUE(files.ok()) << files.status().message();
    EXPECT_EQ(files->config().name, "openbmb/MiniCPM-V-2");
    EXPECT_EQ(files->folder(), Path(repository + "/snapshots/abc123"));
  };
  expect_opens(repository);
  expect_opens(repository + "/snapshots");
  Put(repository + "/refs/main", "abc123\n");
  fs::create_directories(Path(repository + "/snapshots/old"));
  expect_opens(repository);
  expect_opens(repository + "/snapshots/abc123");
  for (const char* wrong : {"", "../..", "gone", "."}) {
    Put(repository + "/refs/main", wrong);
    ExpectRefused(Path(repository), {"2 revisions", "'abc123'; 'old'"});
  }
  fs::create_directories(Path("models--a--b/snapshots"));
  ExpectRefused(Path("models--a--b"), {"fetch the model again"});
}

TEST_F(ModelLocationTest, ThePresentFolderHasAName) {
  CopyHf("my-model");
  const fs::path before = fs::current_path();
  fs::current_path(folder_ / "my-model");
  const auto here = ModelFiles::Open(".");
  const auto slash = ModelFiles::Open("./");
  const auto file = ModelFiles::Open("model.safetensors");
  fs::current_path(before);
  for (const auto* files : {&here, &slash, &file}) {
    ASSERT_TRUE(files->ok());
    EXPECT_EQ((*files)->config().name, "my-model");
  }
  ExpectRefused(folder_.string(), {"no model in this folder", "'my-model'"});
}

TEST_F(ModelLocationTest, ASplitModelIsTheSameModel) {
  const auto whole = GgufFile::Open(Committed(k25LlmF16));
  ASSERT_TRUE(whole.ok());
  const size_t all = whole->tensors().size();
  for (int part = 0; part < 3; ++part) {
    GgufWriter writer;
    if (part == 0) {
      for (const GgufKey& key : whole->keys()) writer.AddValue(key.name, key.value);
    }
    writer.AddU32("split.no", uint32_t(part));
    writer.AddU32("split.count", 3);
    writer.AddI32("split.tensors.count", int32_t(all));
    for (size_t i = size_t(part) * all / 3; i < size_t(part + 1) * all / 3; ++i) {
      const GgufTensor& tensor = whole->tensors()[i];
      writer.AddTensor(tensor.name, tensor.type, tensor.dims, tensor.data);
    }
    ASSERT_TRUE(writer.Write(Path("m-0000" + std::to_string(part + 1) + "-of-00003.gguf")).ok());
  }
  Copy(k25Mmproj, "mmproj.gguf");
  const auto one = ModelFiles::Open(Committed(k25LlmF16));
  for (const std::string& path : {folder_.string(), Path("m-00002-of-00003.gguf")}) {
    auto split = ModelFiles::Open(path);
    ASSERT_TRUE(split.ok()) << split.status().message();
    EXPECT_TRUE(split->config().has_vision);
    for (const TensorSpec& spec : one->tensors()) {
      EXPECT_EQ(*ReadTensor(*split, spec), *ReadTensor(*one, spec)) << spec.id;
    }
    EXPECT_TRUE(split->CheckIntact().ok());
    ASSERT_TRUE(split->ReadIntoMemory().ok());
    EXPECT_EQ(split->mapped_bytes(), 0u);
  }
  fs::remove(Path("m-00003-of-00003.gguf"));
  ExpectRefused(folder_.string(), {"part 3 of 3 is missing"});
}

TEST_F(ModelLocationTest, FilesThatAreCutUnderAnOpenModelAreNoticed) {
  Copy(k25LlmF16, "llm.gguf");
  Copy(k25Mmproj, "mmproj.gguf");
  const auto files = ModelFiles::Open(folder_.string());
  ASSERT_TRUE(files.ok());
  EXPECT_FALSE(files->damaged());
  EXPECT_TRUE(files->CheckIntact().ok());
  fs::resize_file(Path("mmproj.gguf"), 4096);
  EXPECT_THAT(files->CheckIntact().message(), HasSubstr("mmproj.gguf"));
  ASSERT_TRUE(ReadTensor(*files, *files->FindSpec("resampler.query")).ok());
  ASSERT_TRUE(ReadTensor(*files, *files->FindSpec("vision.patch")).ok());
  EXPECT_TRUE(files->damaged());
  EXPECT_EQ(files->CheckIntact().code(), StatusCode::kCorrupt);
}

TEST_F(ModelLocationTest, WhatIsNoModelIsNamed) {
  const auto gguf = [&](const std::string& type) {
    return RawGguf()
        .Key("general.architecture", 8, BytesBuilder().Text("llama"))
        .Key("general.type", 8, BytesBuilder().Text(type))
        .Bytes();
  };
  ExpectRefused(Put("x1.gguf", gguf("adapter")), {"LoRA adapter", "merge it"});
  ExpectRefused(Put("x2.gguf", gguf("imatrix")), {"importance matrix"});
  ExpectRefused(Put("x3.gguf", RawGguf()
                                   .Key("general.architecture", 8, BytesBuilder().Text("llama"))
                                   .Tensor("blk.0.attn_q.weight.lora_a", {8}, 0, 0)
                                   .Data(32)
                                   .Bytes()),
                {"LoRA adapter"});
  ExpectRefused(
      Put("x4.gguf",
          RawGguf().Key("general.architecture", 8, BytesBuilder().Text("controlvector")).Bytes()),
      {"control vector"});
  ExpectRefused(Put("x5.gguf", std::string(kLfs)), {"Git LFS pointer"});
  // Beside a model they do not matter.
  fs::remove(Path("x3.gguf"));
  fs::remove(Path("x4.gguf"));
  fs::remove(Path("x5.gguf"));
  Copy(k25LlmF16, "model.gguf");
  EXPECT_TRUE(ModelFiles::Open(folder_.string()).ok());

  Put("peft/adapter_config.json", R"({"base_model_name_or_path": "openbmb/MiniCPM-V-2_6"})");
  Put("peft/adapter_model.safetensors", "x");
  ExpectRefused(Path("peft"), {"LoRA adapter for 'openbmb/MiniCPM-V-2_6'"});
  Put("pickled/config.json", Published25Config());
  Put("pickled/pytorch_model-00001-of-00002.bin", "x");
  ExpectRefused(Path("pickled"), {"pickles of PyTorch", "safe_serialization"});
}

TEST_F(ModelLocationTest, QuantisedCheckpointsAreNamedFirst) {
  const std::vector<std::byte> data(64);
  const struct {
    std::string tensor;
    DType type;
    std::string stated;
    std::string told;
  } kRows[] = {{"a.weight.absmax", DType::kI8, "", "bitsandbytes"},
               {"a.SCB", DType::kF32, "bitsandbytes", "'bitsandbytes'"},
               {"a.qweight", DType::kI32, "awq", "'awq'"},
               {"a.qweight", DType::kI32, "gptq", "'gptq'"},
               {"a.weight_scale_inv", DType::kF32, "fp8", "'fp8'"},
               {"a.weight_packed", DType::kI32, "compressed-tensors", "compressed-tensors"},
               {"a.weight", DType::kI8, "", "int8"}};
  for (const auto& row : kRows) {
    std::string config = Published25Config();
    if (!row.stated.empty()) {
      config.insert(1, R"("quantization_config": {"quant_method": ")" + row.stated + "\"}, ");
    }
    Put("hf/config.json", config);
    const auto bytes = *RowBytes(row.type, 8);
    ASSERT_TRUE(WriteSafetensors(Path("hf/model.safetensors"),
                                 {{row.tensor, row.type, {8}, std::span(data).first(bytes)}})
                    .ok());
    ExpectRefused(Path("hf"), {"quantised with ", row.told, "GGUF"});
  }
}

TEST_F(ModelLocationTest, PointersOfGitLfsAreNamedWhereverTheyStand) {
  for (const char* name : {"config.json", "preprocessor_config.json", "model.safetensors"}) {
    CopyHf("hf");
    Put(std::string("hf/") + name, kLfs);
    ExpectRefused(Path("hf"), {"Git LFS pointer", name});
  }
  for (const char* name : {"tokenizer.model", "tokenizer_config.json"}) {
    CopyHf("hf");
    Put(std::string("hf/") + name, kLfs);
    EXPECT_THAT(LoadTokenizerFromFolder(Path("hf")).status().message(),
                AllOf(HasSubstr("Git LFS pointer"), HasSubstr(name)));
  }
  CopyHf("hf");
  Put("hf/config.json", "{\n  \"hidden_size\": NaN // why\n}");
  ExpectRefused(Path("hf"), {"config.json: is not valid JSON at line 2", "NaN"});
}

}  // namespace
}  // namespace mcv
