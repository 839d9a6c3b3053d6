// Split models, whole and with every part wrong in turn; and what is no GGUF but is given as one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "formats/gguf/gguf_fixture.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;

class GgufSplitTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Put(const std::string& name, const ByteVector& bytes) const {
    std::ofstream(Path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return Path(name);
  }
  static RawGguf Part(uint16_t number, uint16_t count, int32_t tensors) {
    RawGguf part;
    part.Key("split.no", 2, BytesBuilder().Put(number))
        .Key("split.count", 2, BytesBuilder().Put(count))
        .Key("split.tensors.count", 5, BytesBuilder().Put(tensors));
    return part;
  }
  // The first part has keys and no tensor, as some writers do it.
  void PutThree(const std::string& ending = ".gguf") const {
    Put("m-00001-of-00003" + ending, Part(0, 3, 3).KeyU32("k", 7).Bytes());
    Put("m-00002-of-00003" + ending,
        Part(1, 3, 3).Tensor("b", {8}, 0, 0).Tensor("a", {8}, 0, 32).Data(64).Bytes());
    Put("m-00003-of-00003" + ending, Part(2, 3, 3).Tensor("c", {8}, 0, 0).Data(32).Bytes());
  }
  TestFolder folder_{"gguf_split_test"};
};

TEST_F(GgufSplitTest, AnyPartOpensAll) {
  for (const std::string ending : {".gguf", ".GGUF"}) {
    PutThree(ending);
    for (const char* number : {"1", "2", "3"}) {
      const auto file = GgufFile::Open(Path("m-0000" + std::string(number) + "-of-00003" + ending));
      ASSERT_TRUE(file.ok()) << file.status().message();
      EXPECT_EQ(file->GetUint("k").value(), 7u);
      EXPECT_EQ(file->tensors().size(), 3u);
      EXPECT_EQ(file->mappings().size(), 3u);
      for (const char* name : {"a", "b", "c"}) {
        const GgufTensor* tensor = file->FindTensor(name);
        ASSERT_NE(tensor, nullptr) << name;
        EXPECT_TRUE(LiesInside(tensor->data, tensor->file->data()));
      }
      EXPECT_EQ(file->FindTensor("d"), nullptr);
    }
  }
  EXPECT_EQ(GgufPartOf("x/m-00002-of-00003.gguf")->number, 2u);
  for (const char* name : {"m.gguf", "00002-of-00003.gguf", "m-0002-of-00003.gguf",
                           "m-00002-of-00000.gguf", "m-0000x-of-00003.gguf"}) {
    EXPECT_FALSE(GgufPartOf(name).has_value()) << name;
  }
}

TEST_F(GgufSplitTest, WhatIsWrongIsNamed) {
  const auto open = [&] { return GgufFile::Open(Path("m-00001-of-00003.gguf")); };
  PutThree();
  fs::remove(Path("m-00002-of-00003.gguf"));
  ExpectError(open(), StatusCode::kNotFound, {"part 2 of 3 is missing", "m-00002-of-00003.gguf"});
  PutThree();
  Put("m-00002-of-00003.gguf", Part(2, 3, 3).Bytes());
  ExpectError(open(), StatusCode::kCorrupt, {"says that it is part 3 of 3"});
  Put("m-00002-of-00003.gguf", SmallGguf());
  EXPECT_FALSE(open().ok());
  Put("m-00002-of-00003.gguf", Part(1, 3, 3).Tensor("c", {8}, 0, 0).Data(32).Bytes());
  ExpectError(open(), StatusCode::kCorrupt, {"'c' is in two parts"});
  Put("m-00002-of-00003.gguf", Part(1, 3, 3).Tensor("a", {8}, 0, 0).Data(32).Bytes());
  ExpectError(open(), StatusCode::kCorrupt, {"hold 2 tensors, expected 3"});
  PutThree();
  fs::rename(Path("m-00002-of-00003.gguf"), Path("second.gguf"));
  ExpectError(GgufFile::Open(Path("second.gguf")), StatusCode::kUnsupported,
              {"one of 3 parts", "-00001-of-00003.gguf"});
  Put("m-00001-of-00003.gguf", Part(0, 60000, 3).Bytes());
  EXPECT_FALSE(open().ok());
}

TEST_F(GgufSplitTest, OtherKindsAreNamed) {
  const auto open = [&](const std::string& bytes) {
    std::ofstream(Path("x.gguf"), std::ios::binary) << bytes;
    return GgufFile::Open(Path("x.gguf"));
  };
  ExpectError(open("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"),
              StatusCode::kCorrupt, {"Git LFS pointer and not the model", "git lfs pull"});
  ExpectError(open("PK\3\4 and so on"), StatusCode::kUnsupported, {"pickle", ".safetensors"});
  ExpectError(open(std::string("\x10\0\0\0\x14\0\0\0", 8) + "blk.0.ffn_down.weight"),
              StatusCode::kUnsupported, {"importance matrix"});
}

TEST_F(GgufSplitTest, TheKindIsReadWithoutTheRest) {
  Put("m.gguf", RawGguf()
                    .KeyU32("general.architecture.x", 8)
                    .Key("general.architecture", 8, BytesBuilder().Text("clip"))
                    .Key("general.type", 8, BytesBuilder().Text("mmproj"))
                    .ClaimTensors(1000)
                    .Bytes());
  const GgufKind kind = ReadGgufKind(Path("m.gguf"));
  EXPECT_EQ(kind.architecture, "clip");
  EXPECT_EQ(kind.type, "mmproj");
  const ByteVector whole = RawGguf().Key("general.type", 8, BytesBuilder().Text("t")).Bytes();
  for (size_t length = 0; length <= whole.size(); ++length) {
    Put("cut.gguf", Truncate(whole, length));
    EXPECT_EQ(ReadGgufKind(Path("cut.gguf")).architecture, "");
  }
  EXPECT_EQ(ReadGgufKind(Path("none")).type, "");
}

}  // namespace
}  // namespace mcv
