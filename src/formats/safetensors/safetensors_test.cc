#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/file_writer.h"
#include "formats/safetensors/safetensors_file.h"
#include "formats/safetensors/safetensors_fixture.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(SafetensorsTest, ReadsTensorsAndMetadata) {
  const ByteVector bytes = SmallSafetensors();
  const auto file = OpenSafetensors(bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_THAT(file->metadata(), ElementsAre(Pair("format", "pt")));
  ASSERT_EQ(file->tensors().size(), 4u);
  const SafeTensor* a = file->Find("a.weight");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->type, DType::kF32);
  EXPECT_THAT(a->shape, ElementsAre(2, 3));
  EXPECT_EQ(a->data.size(), 24u);
  EXPECT_EQ(a->data.data(), bytes.data() + bytes.size() - 36);
  const SafeTensor* mask = file->Find("mask");
  ASSERT_NE(mask, nullptr);
  EXPECT_FALSE(mask->known);
  EXPECT_EQ(mask->dtype_name, "BOOL");
  EXPECT_EQ(mask->data.size(), 3u);
  EXPECT_TRUE(file->Find("scalar")->shape.empty());
  EXPECT_EQ(file->Find("b.weight"), nullptr);
}

TEST(SafetensorsTest, AFileWithoutTensorsIsAFile) {
  EXPECT_TRUE(OpenSafetensors(RawSafetensors("{}", 0)).ok());
}

struct BadFile {
  const char* what;
  ByteVector bytes;
  StatusCode code;
  std::vector<std::string> message;
};

// A file with these entries and 64 bytes of data.
ByteVector With(const std::string& entries) { return RawSafetensors("{" + entries + "}", 64); }

constexpr auto kCorrupt = StatusCode::kCorrupt;

std::vector<BadFile> BadHeaders() {
  return {
      {"empty", {}, kCorrupt, {"8-byte header length"}},
      {"7 bytes", ByteVector(7), kCorrupt, {"has 7 bytes"}},
      {"length",
       BytesBuilder().Put<uint64_t>(99).Raw("{}").bytes(),
       kCorrupt,
       {"99 bytes", "only 2"}},
      {"100 MB", BytesBuilder().Put<uint64_t>(100'000'001).bytes(), kCorrupt, {"limit"}},
      {"2^63", BytesBuilder().Put(uint64_t{1} << 63).bytes(), kCorrupt, {"limit"}},
      {"no JSON", RawSafetensors("hello", 0), kCorrupt, {"not valid JSON"}},
      {"half JSON", RawSafetensors("{\"a\":{", 0), kCorrupt, {"not valid JSON"}},
      {"array", RawSafetensors("[]", 0), kCorrupt, {"an array is unexpected"}},
      {"number", RawSafetensors("7", 0), kCorrupt, {"the number 7"}},
      {"more after", RawSafetensors("{}{}", 0), kCorrupt, {"not valid JSON"}},
      {"deep", RawSafetensors(std::string(100'000, '['), 0), kCorrupt, {"an array"}},
      {"deep objects", With("\"a\":{\"shape\":{\"x\":{}}}"), kCorrupt, {"'a'", "an object"}},
      {"metadata list", With("\"__metadata__\":{\"a\":[]}"), kCorrupt, {"__metadata__", "'a'"}},
      {"bad UTF-8", With("\"a\xff\":{}"), kCorrupt, {"not valid JSON"}},
      {"hole",
       With(Entry("a", "F32", "4", "0,16") + "," + Entry("b", "F32", "8", "32,64")),
       kCorrupt,
       {"'b'", "offset 32", "expected 16", "no tensor"}},
      {"overlap",
       With(Entry("a", "F32", "8", "0,32") + "," + Entry("b", "F32", "12", "16,64")),
       kCorrupt,
       {"'b'", "overlaps"}},
      {"rest", With(Entry("a", "F32", "4", "0,16")), kCorrupt, {"offset 16 of 64"}},
  };
}

std::vector<BadFile> BadEntries() {
  return {
      {"dtype", With(Entry("a", "Q4", "16", "0,64")), StatusCode::kUnsupported, {"'a'", "'Q4'"}},
      {"size", With(Entry("a", "F16", "16", "0,64")), kCorrupt, {"'a'", "32 bytes", "span 64"}},
      {"end", With(Entry("a", "F32", "32", "0,128")), kCorrupt, {"'a'", "0 to 128", "64 bytes"}},
      {"order", With(Entry("a", "F32", "0", "64,0")), kCorrupt, {"64 to 0"}},
      {"product", With(Entry("a", "F32", "9223372036854775808,2", "0,64")), kCorrupt, {"2^64"}},
      {"negative", With(Entry("a", "F32", "-16", "0,64")), kCorrupt, {"'a'", "negative"}},
      {"float", With(Entry("a", "F32", "16.0", "0,64")), kCorrupt, {"'a'", "'16.0'"}},
      {"too large", With(Entry("a", "F32", "36893488147419103232", "0,64")), kCorrupt, {"'a'"}},
      {"one offset", With(Entry("a", "F32", "16", "0")), kCorrupt, {"'a'", "data_offsets"}},
      {"three offsets", With(Entry("a", "F32", "16", "0,64,64")), kCorrupt, {"more than 2"}},
      {"many dims",
       With(Entry("a", "I8", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "0,1")),
       kCorrupt,
       {"more than 16"}},
      {"no dtype", With("\"a\":{\"shape\":[16],\"data_offsets\":[0,64]}"), kCorrupt, {"dtype"}},
      {"no shape", With("\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,64]}"), kCorrupt, {"shape"}},
      {"null", With("\"a\":null"), kCorrupt, {"'a'", "null"}},
      {"text shape", With("\"a\":{\"shape\":\"16\"}"), kCorrupt, {"'a'", "'shape'", "'16'"}},
      {"unknown member", With("\"a\":{\"x\":1}"), kCorrupt, {"'a'", "'x'"}},
      {"twice",
       With(Entry("a", "F32", "8", "0,32") + "," + Entry("a", "F32", "8", "32,64")),
       kCorrupt,
       {"'a'", "more than once"}},
      {"hostile name", With(Entry("\\u001b[2J", "F32", "1", "0,64")), kCorrupt, {"'\\x1b[2J'"}},
  };
}

void ExpectAllRefused(const std::vector<BadFile>& files) {
  for (const BadFile& bad : files) {
    SCOPED_TRACE(bad.what);
    const auto file = OpenSafetensors(bad.bytes);
    ExpectError(file, bad.code, bad.message);
    ExpectPrintable(file.status());
  }
}

TEST(SafetensorsTest, RefusesBadHeaders) { ExpectAllRefused(BadHeaders()); }
TEST(SafetensorsTest, RefusesBadEntries) { ExpectAllRefused(BadEntries()); }

class SafetensorsFolderTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // A shard with one F32 tensor of one element.
  void WriteShard(const std::string& file, const std::string& tensor) {
    const float value = 1.0f;
    ASSERT_TRUE(WriteSafetensors(Path(file),
                                 {{tensor, DType::kF32, {1}, std::as_bytes(std::span(&value, 1))}})
                    .ok());
  }
  void WriteIndex(const std::string& weight_map) {
    ASSERT_TRUE(WriteFile(Path("model.safetensors.index.json"),
                          "{\"metadata\":{\"total_size\":7},\"weight_map\":" + weight_map + "}")
                    .ok());
  }

  TestFolder folder_{"safetensors_test"};
};

TEST_F(SafetensorsFolderTest, WrittenFilesRoundTrip) {
  const std::vector<float> floats = {1.0f, -2.0f, 3.5f, 0.0f};
  const std::vector<uint16_t> halves = {0x3c00, 0xbc00};
  const std::vector<int64_t> ints = {-1};
  ASSERT_TRUE(WriteSafetensors(Path("model.safetensors"),
                               {{"half", DType::kF16, {2}, std::as_bytes(std::span(halves))},
                                {"b", DType::kF32, {2, 2}, std::as_bytes(std::span(floats))},
                                {"empty", DType::kF32, {0, 3}, {}},
                                {"id", DType::kI64, {}, std::as_bytes(std::span(ints))}},
                               {{"format", "pt"}, {"note", "\"quoted\" \xc3\xa9"}})
                  .ok());
  const auto file = SafetensorsFile::Open(folder_.string());
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->metadata().at("note"), "\"quoted\" \xc3\xa9");
  std::vector<std::string> names;
  for (const SafeTensor& tensor : file->tensors()) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("id", "b", "empty", "half"));
  EXPECT_TRUE(std::ranges::equal(file->Find("b")->data, std::as_bytes(std::span(floats))));
  EXPECT_TRUE(std::ranges::equal(file->Find("half")->data, std::as_bytes(std::span(halves))));
  EXPECT_THAT(file->Find("b")->shape, ElementsAre(2, 2));
  EXPECT_EQ(file->Find("b")->file, file->files()[0].get());
  // The data area begins on 8 bytes, so every tensor is aligned to its elements.
  const std::byte* start = file->files()[0]->data().data();
  EXPECT_EQ((file->Find("id")->data.data() - start) % 8, 0);
}

TEST_F(SafetensorsFolderTest, ShardedSetOpensAsOne) {
  WriteShard("model-1.safetensors", "a");
  WriteShard("model-2.safetensors", "b");
  WriteIndex(R"({"a":"model-1.safetensors","b":"model-2.safetensors"})");
  for (const std::string& path : {folder_.string(), Path("model.safetensors.index.json")}) {
    const auto file = SafetensorsFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    EXPECT_EQ(file->files().size(), 2u);
    ASSERT_NE(file->Find("b"), nullptr);
    EXPECT_THAT(file->Find("b")->file->path(), HasSubstr("model-2"));
  }
}

TEST_F(SafetensorsFolderTest, IndexMistakesAreNamed) {
  WriteShard("model-1.safetensors", "a");
  WriteShard("copy.safetensors", "a");
  const auto expect = [&](const std::string& weight_map, StatusCode code,
                          const std::vector<std::string>& message) {
    SCOPED_TRACE(weight_map);
    WriteIndex(weight_map);
    ExpectError(SafetensorsFile::Open(folder_.string()), code, message);
  };
  expect(R"({"a":"none.safetensors"})", StatusCode::kNotFound, {"none.safetensors", "index.json"});
  expect(R"({"b":"model-1.safetensors"})", kCorrupt, {"'b'", "not in the shard"});
  expect(R"({"a":"model-1.safetensors","b":"copy.safetensors"})", kCorrupt, {"another shard"});
  expect(R"({"a":7})", kCorrupt, {"'a'", "file name"});
  expect(R"([])", kCorrupt, {"weight_map"});
  expect(std::string(50'000, '['), kCorrupt, {"weight_map"});
  expect(R"({"a":{"b":{}}})", kCorrupt, {"'a'", "file name"});
  expect(R"({)", kCorrupt, {"weight_map"});
}

TEST_F(SafetensorsFolderTest, ShardsOutsideTheFolderAreRefused) {
  for (const char* shard : {"../x", "/etc/passwd", "a/b", "a\\\\b", "..", ".", "", "x\\u0000y"}) {
    SCOPED_TRACE(shard);
    WriteIndex(std::string("{\"a\":\"") + shard + "\"}");
    ExpectError(SafetensorsFile::Open(folder_.string()), kCorrupt, {"plain file name"});
  }
}

TEST_F(SafetensorsFolderTest, AnEmptyFolderSaysWhatIsMissing) {
  ExpectError(SafetensorsFile::Open(folder_.string()), StatusCode::kNotFound,
              {"model.safetensors.index.json", "model.safetensors"});
}

TEST_F(SafetensorsFolderTest, TheWriterRefusesWhatItCannotWrite) {
  const ByteVector bytes(18);
  const auto message = [&](const SafeTensorToWrite& tensor) {
    const Status status = WriteSafetensors(Path("x"), {tensor, tensor});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_FALSE(std::filesystem::exists(Path("x")));
    return status.message();
  };
  EXPECT_THAT(message({"q", DType::kQ4_0, {32}, bytes}), HasSubstr("Q4_0"));
  EXPECT_THAT(message({"q", DType::kF32, {4}, bytes}), HasSubstr("needs 16 bytes, got 18"));
  EXPECT_THAT(message({"__metadata__", DType::kI8, {18}, bytes}), HasSubstr("__metadata__"));
  EXPECT_THAT(message({"q", DType::kI8, {18}, bytes}), HasSubstr("more than once"));
  const Status utf8 = WriteSafetensors(Path("x"), {{"\xff", DType::kI8, {18}, bytes}});
  EXPECT_THAT(utf8.message(), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace mcv
