#include "formats/gguf/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "formats/gguf/gguf_fixture.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;

class GgufWriterTest : public ::testing::Test {
 protected:
  bool FolderIsEmpty() const { return std::filesystem::is_empty(folder_); }

  TestFolder folder_{"gguf_writer_test"};
  const std::string path_ = (folder_ / "model.gguf").string();
};

ByteVector Counting(size_t count) {
  ByteVector bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 1);
  return bytes;
}

TEST_F(GgufWriterTest, ConvenienceFunctionsRoundTrip) {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddU32("u32", 1u << 31);
  writer.AddI32("i32", -3);
  writer.AddU64("u64", ~uint64_t{0});
  writer.AddF32("f32", 1e-5f);
  writer.AddBool("yes", true);
  writer.AddBool("no", false);
  writer.AddStrings("strings", {"", "a", std::string("\0b", 2)});
  writer.AddI32s("i32s", {1, -2});
  writer.AddF32s("f32s", {0.5f});
  writer.AddStrings("none", {});
  ASSERT_TRUE(writer.Write(path_).ok());
  const auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->keys()[0].name, "general.architecture");
  EXPECT_EQ(*file->GetUint("u32"), 1u << 31);
  EXPECT_EQ(*file->GetInt("i32"), -3);
  EXPECT_EQ(*file->GetUint("u64"), ~uint64_t{0});
  EXPECT_EQ(*file->GetFloat("f32"), double{1e-5f});
  EXPECT_TRUE(*file->GetBool("yes"));
  EXPECT_FALSE(*file->GetBool("no"));
  EXPECT_THAT(*file->GetStrings("strings"), ElementsAre("", "a", std::string("\0b", 2)));
  EXPECT_THAT(*file->GetInts("i32s"), ElementsAre(1, -2));
  EXPECT_THAT(*file->GetFloats("f32s"), ElementsAre(0.5));
  EXPECT_TRUE(file->GetStrings("none")->empty());
}

// Reading SmallGguf and writing what was read gives the same bytes, whatever the key type.
TEST_F(GgufWriterTest, CopyOfAFileIsEqualByteForByte) {
  const ByteVector original = SmallGguf();
  const auto source = OpenGguf(original);
  ASSERT_TRUE(source.ok());
  GgufWriter writer;
  for (const GgufKey& key : source->keys()) writer.AddValue(key.name, key.value);
  for (const GgufTensor& tensor : source->tensors()) {
    writer.AddTensor(tensor.name, tensor.type, tensor.dims, tensor.data);
  }
  ASSERT_TRUE(writer.Write(path_).ok());
  const auto written = MappedFile::Open(path_);
  ASSERT_TRUE(written.ok());
  EXPECT_TRUE(std::ranges::equal(written->data(), original));
}

TEST_F(GgufWriterTest, EveryElementTypeRoundTrips) {
  GgufWriter writer;
  std::vector<const DTypeTraits*> types;
  for (uint32_t number = 0; number < 64; ++number) {
    if (const DTypeTraits* traits = FindDType(number)) types.push_back(traits);
  }
  for (const DTypeTraits* traits : types) {
    writer.AddTensor(traits->name, traits->type, {traits->block_elements, 3},
                     Counting(traits->block_bytes * 3));
  }
  ASSERT_TRUE(writer.Write(path_).ok());
  const auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_EQ(file->tensors().size(), types.size());
  for (const DTypeTraits* traits : types) {
    const GgufTensor* tensor = file->FindTensor(traits->name);
    ASSERT_NE(tensor, nullptr) << traits->name;
    EXPECT_EQ(tensor->type, traits->type);
    EXPECT_THAT(tensor->dims, ElementsAre(traits->block_elements, 3));
    EXPECT_EQ(tensor->file_offset % 32, 0u);
    EXPECT_TRUE(std::ranges::equal(tensor->data, Counting(traits->block_bytes * 3)));
  }
}

TEST_F(GgufWriterTest, HonoursTheAlignmentKey) {
  GgufWriter writer;
  writer.AddU32("general.alignment", 256);
  writer.AddTensor("a", DType::kI8, {5}, Counting(5));
  writer.AddTensor("b", DType::kI8, {5}, Counting(5));
  ASSERT_TRUE(writer.Write(path_).ok());
  const auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->FindTensor("a")->file_offset % 256, 0u);
  EXPECT_EQ(file->FindTensor("b")->file_offset, file->FindTensor("a")->file_offset + 256);
}

TEST_F(GgufWriterTest, ProducersRunOneByOneWhenWriting) {
  int calls = 0;
  GgufWriter writer;
  for (const char* name : {"a", "b"}) {
    writer.AddTensor(name, DType::kF32, {2}, [&calls]() -> Result<ByteVector> {
      ++calls;
      return Counting(8);
    });
  }
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(writer.Write(path_).ok());
  EXPECT_EQ(calls, 2);
}

TEST_F(GgufWriterTest, AFailingProducerLeavesNoFile) {
  GgufWriter writer;
  writer.AddTensor("good", DType::kF32, {2}, Counting(8));
  writer.AddTensor("bad", DType::kF32, {2},
                   []() -> Result<ByteVector> { return IoError("source went away"); });
  const Status status = writer.Write(path_);
  EXPECT_EQ(status.code(), StatusCode::kIo);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("'bad': source went away"));
  EXPECT_TRUE(FolderIsEmpty());
}

TEST_F(GgufWriterTest, AProducerOfTheWrongSizeIsNoticed) {
  GgufWriter writer;
  writer.AddTensor("t", DType::kF32, {2}, Counting(7));
  EXPECT_THAT(writer.Write(path_).message(), ::testing::HasSubstr("expected 8 bytes"));
  EXPECT_TRUE(FolderIsEmpty());
}

TEST_F(GgufWriterTest, RefusesWhatAReaderWouldRefuse) {
  const auto message_of = [&](const std::function<void(GgufWriter&)>& add) {
    GgufWriter writer;
    add(writer);
    const Status status = writer.Write(path_);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.message();
  };
  const auto tensor = [](const char* name, DType type, std::vector<uint64_t> dims) {
    return [=](GgufWriter& writer) { writer.AddTensor(name, type, dims, Counting(4)); };
  };
  EXPECT_THAT(message_of(tensor("", DType::kF32, {1})), ::testing::HasSubstr("name"));
  EXPECT_THAT(message_of(tensor("t", DType::kF32, {})), ::testing::HasSubstr("0 dimensions"));
  EXPECT_THAT(message_of(tensor("t", DType::kQ4_K, {32})), ::testing::HasSubstr("Q4_K blocks"));
  EXPECT_THAT(message_of(tensor("t", DType::kF32, {1, 0})), ::testing::HasSubstr("empty"));
  EXPECT_THAT(message_of([](GgufWriter& writer) {
                writer.AddU32("k", 1);
                writer.AddU32("k", 1);
              }),
              ::testing::HasSubstr("'k' was added twice"));
  EXPECT_THAT(message_of([](GgufWriter& writer) { writer.AddU32("general.alignment", 3); }),
              ::testing::HasSubstr("power of two"));
}

TEST_F(GgufWriterTest, AMissingFolderIsNamed) {
  const std::string path = (folder_ / "none/model.gguf").string();
  EXPECT_THAT(GgufWriter().Write(path).message(), ::testing::HasSubstr(path));
}

}  // namespace
}  // namespace mcv
