#include "formats/gguf/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/gguf/gguf_fixture.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;

TEST(GgufFileTest, EveryKeyTypeReads) {
  const ByteVector bytes = SmallGguf();
  const auto file = OpenGguf(bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->keys().size(), 17u);
  EXPECT_EQ(*file->GetUint("k.u8"), 200u);
  EXPECT_EQ(*file->GetInt("k.i8"), -5);
  EXPECT_EQ(*file->GetUint("k.u16"), 60000u);
  EXPECT_EQ(*file->GetInt("k.i16"), -300);
  EXPECT_EQ(*file->GetUint("k.u32"), 4'000'000'000u);
  EXPECT_EQ(*file->GetInt("k.i32"), -7);
  EXPECT_EQ(*file->GetFloat("k.f32"), 1.5);
  EXPECT_EQ(*file->GetBool("k.bool"), true);
  EXPECT_EQ(*file->GetString("k.string"), "hello");
  EXPECT_EQ(*file->GetUint("k.u64"), ~uint64_t{0});
  EXPECT_EQ(*file->GetInt("k.i64"), int64_t{-1} << 40);
  EXPECT_EQ(*file->GetFloat("k.f64"), 0.1);
  EXPECT_THAT(*file->GetStrings("k.strings"), ElementsAre("a", "", "bc"));
  EXPECT_THAT(*file->GetInts("k.i32s"), ElementsAre(-1, 9));
  EXPECT_THAT(*file->GetFloats("k.f32s"), ElementsAre(0.25, -4.0));
  EXPECT_THAT(*file->GetInts("k.u8s"), ElementsAre('x', 'y', 'z'));
}

TEST(GgufFileTest, TensorsLieWhereTheTableSays) {
  const ByteVector bytes = SmallGguf();
  const auto file = OpenGguf(bytes);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->tensors().size(), 4u);
  const GgufTensor* q8 = file->FindTensor("t.q8");
  ASSERT_NE(q8, nullptr);
  EXPECT_EQ(q8->type, DType::kQ8_0);
  EXPECT_EQ(q8->columns(), 32u);
  EXPECT_EQ(q8->rows(), 2u);
  EXPECT_EQ(q8->data.size(), 68u);
  EXPECT_EQ(q8->data.data(), bytes.data() + q8->file_offset);
  EXPECT_EQ(q8->file_offset, bytes.size() - 320 + 32);
  EXPECT_EQ(file->FindTensor("t.f16")->rows(), 8u);
  EXPECT_EQ(file->FindTensor("t.q"), nullptr);
}

TEST(GgufFileTest, TypedAccessNamesKeyExpectedAndActual) {
  const ByteVector bytes = SmallGguf();
  const auto file = OpenGguf(bytes);
  ASSERT_TRUE(file.ok());
  ExpectError(file->GetUint("absent"), StatusCode::kNotFound, {"test", "'absent'", "missing"});
  ExpectError(file->GetUint("k.string"), StatusCode::kCorrupt, {"'k.string'", "string"});
  ExpectError(file->GetUint("k.i32"), StatusCode::kCorrupt, {"'k.i32'", "-7"});
  ExpectError(file->GetInt("k.u64"), StatusCode::kCorrupt, {"'k.u64'", "18446744073709551615"});
  ExpectError(file->GetFloat("k.u32"), StatusCode::kCorrupt, {"a float", "u32"});
  ExpectError(file->GetStrings("k.i32s"), StatusCode::kCorrupt,
              {"an array of strings", "an array of i32"});
  ExpectError(file->GetBool("k.u8"), StatusCode::kCorrupt, {"a bool", "u8"});
}

TEST(GgufFileTest, Version2IsReadTheSame) {
  const ByteVector bytes = RawGguf().Version(2).KeyU32("a", 7).Bytes();
  const auto file = OpenGguf(bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(*file->GetUint("a"), 7u);
}

TEST(GgufFileTest, DataMayEndWithoutPadding) {
  EXPECT_TRUE(OpenGguf(RawGguf().Tensor("a", {1}, 0, 0).Data(4).Bytes()).ok());
}

TEST(GgufFileTest, OpenMapsAndNamesTheFile) {
  const std::string missing = ::testing::TempDir() + "/no_such.gguf";
  ExpectError(GgufFile::Open(missing), StatusCode::kNotFound, {missing});
  ExpectError(GgufFile::Open(::testing::TempDir()), StatusCode::kInvalidArgument, {"folder"});
}

struct BadFile {
  const char* what;
  ByteVector bytes;
  StatusCode code;
  std::vector<std::string> message;
};

// Shorthand for the table below.
constexpr auto kCorrupt = StatusCode::kCorrupt;
constexpr auto kUnsupported = StatusCode::kUnsupported;
constexpr uint64_t kHuge = uint64_t{1} << 60;

BytesBuilder ArrayHead(uint32_t type, uint64_t count) {
  return BytesBuilder().Put(type).Put(count);
}

std::vector<BadFile> BadHeaders() {
  return {
      {"text", BytesBuilder().Raw("<html>not a model").bytes(), kCorrupt, {"not a GGUF file"}},
      {"version 1", RawGguf().Version(1).Bytes(), kUnsupported, {"version 1"}},
      {"version 4", RawGguf().Version(4).Bytes(), kUnsupported, {"version 4", "2 and 3"}},
      {"big endian", RawGguf().Version(0x03000000).Bytes(), kUnsupported, {"big-endian"}},
      {"tensor count",
       RawGguf().ClaimTensors(kHuge).Bytes(),
       kCorrupt,
       {"1152921504606846976 tensors"}},
      {"key count", RawGguf().ClaimKeys(kHuge).Bytes(), kCorrupt, {"1152921504606846976 keys"}},
      {"all ones", RawGguf().ClaimKeys(~uint64_t{1}).Bytes(), kCorrupt, {"keys"}},
      {"many keys",
       RawGguf().ClaimKeys(1 << 20).Data(1 << 24).Bytes(),
       StatusCode::kResourceExhausted,
       {"1048576 keys", "65536"}},
  };
}

std::vector<BadFile> BadKeys() {
  return {
      {"name length",
       RawGguf().ClaimKeys(1).Raw(BytesBuilder().Put(kHuge).Zeros(9)).Bytes(),
       kCorrupt,
       {"key 1 of 1", "its name", "past the end"}},
      {"long name",
       RawGguf().KeyU32(std::string(65'536, 'n'), 1).Bytes(),
       kCorrupt,
       {"key 1 of 1", "65536 bytes"}},
      {"empty name", RawGguf().KeyU32("", 1).Bytes(), kCorrupt, {"key 1 of 1", "0 bytes"}},
      {"value type", RawGguf().Key("k", 13, {}).Bytes(), kCorrupt, {"'k'", "type 13"}},
      {"bool",
       RawGguf().Key("k", 7, BytesBuilder().Put<uint8_t>(2)).Bytes(),
       kCorrupt,
       {"'k'", "0 or 1", "got 2"}},
      {"string length",
       RawGguf().Key("k", 8, BytesBuilder().Put(kHuge)).Bytes(),
       kCorrupt,
       {"'k'", "past the end"}},
      {"array count",
       RawGguf().Key("k", 9, ArrayHead(4, kHuge)).Bytes(),
       kCorrupt,
       {"'k'", "1152921504606846976 u32 values"}},
      {"string array count",
       RawGguf().Key("k", 9, ArrayHead(8, kHuge)).Bytes(),
       kCorrupt,
       {"'k'", "string values"}},
      {"string in array",
       RawGguf().Key("k", 9, ArrayHead(8, 1).Put(kHuge)).Bytes(),
       kCorrupt,
       {"'k'", "string 1 of 1"}},
      {"array type", RawGguf().Key("k", 9, ArrayHead(77, 0)).Bytes(), kCorrupt, {"type 77"}},
      {"nested array",
       RawGguf().Key("k", 9, ArrayHead(9, 1).Zeros(12)).Bytes(),
       kUnsupported,
       {"'k'", "array of arrays"}},
      {"u64 too large",
       RawGguf().Key("k", 9, ArrayHead(10, 1).Put(~uint64_t{0})).Bytes(),
       kUnsupported,
       {"'k'", "64-bit"}},
      {"long array",
       RawGguf().Key("k", 9, ArrayHead(0, 1 << 25).Zeros(1 << 25)).Bytes(),
       StatusCode::kResourceExhausted,
       {"'k'", "33554432"}},
      {"twice", RawGguf().KeyU32("k", 1).KeyU32("k", 2).Bytes(), kCorrupt, {"'k'", "once"}},
      {"alignment 0", RawGguf().KeyU32("general.alignment", 0).Bytes(), kCorrupt, {"got 0"}},
      {"alignment 48", RawGguf().KeyU32("general.alignment", 48).Bytes(), kCorrupt, {"got 48"}},
      {"alignment 4", RawGguf().KeyU32("general.alignment", 4).Bytes(), kCorrupt, {"got 4"}},
      {"alignment 2^31",
       RawGguf().KeyU32("general.alignment", 1u << 31).Bytes(),
       kCorrupt,
       {"got 2147483648"}},
      {"alignment kind",
       RawGguf().Key("general.alignment", 8, BytesBuilder().Text("x")).Bytes(),
       kCorrupt,
       {"u32", "string"}},
      {"hostile name", RawGguf().Key("\x1b[2J", 99, {}).Bytes(), kCorrupt, {"'\\x1b[2J'"}},
  };
}

std::vector<BadFile> BadTensors() {
  const std::string long_name(64, 'n');
  return {
      {"long name",
       RawGguf().Tensor(long_name, {1}, 0, 0).Data(4).Bytes(),
       kCorrupt,
       {"64 bytes", "1 to 63"}},
      {"no name", RawGguf().Tensor("", {1}, 0, 0).Data(4).Bytes(), kCorrupt, {"tensor 1 of 1"}},
      {"no dimension",
       RawGguf().Tensor("t", {}, 0, 0).Data(32).Bytes(),
       kCorrupt,
       {"'t'", "0 dimensions"}},
      {"5 dimensions",
       RawGguf().Tensor("t", {1, 1, 1, 1, 1}, 0, 0).Data(4).Bytes(),
       kCorrupt,
       {"'t'", "5 dimensions"}},
      {"zero", RawGguf().Tensor("t", {4, 0}, 0, 0).Bytes(), kCorrupt, {"dimension 1 is 0"}},
      {"product",
       RawGguf().Tensor("t", {kHuge, kHuge}, 0, 0).Data(64).Bytes(),
       kCorrupt,
       {"'t'", "[1152921504606846976, 1152921504606846976]", "63 bits"}},
      {"bytes",
       RawGguf().Tensor("t", {kHuge, 4}, 0, 0).Data(64).Bytes(),
       kCorrupt,
       {"'t'", "2^64 bytes"}},
      {"unknown type",
       RawGguf().Tensor("t", {32}, 16, 0).Data(64).Bytes(),
       kUnsupported,
       {"'t'", "16", "IQ2_XXS"}},
      {"removed type",
       RawGguf().Tensor("t", {32}, 4, 0).Data(64).Bytes(),
       kUnsupported,
       {"Q4_2", "removed"}},
      {"absurd type",
       RawGguf().Tensor("t", {32}, 4242, 0).Data(64).Bytes(),
       kUnsupported,
       {"4242", "unknown"}},
      {"partial block",
       RawGguf().Tensor("t", {33}, 8, 0).Data(64).Bytes(),
       kCorrupt,
       {"'t'", "Q8_0", "32 elements", "[33]"}},
      {"odd offset",
       RawGguf().Tensor("t", {4}, 0, 8).Data(64).Bytes(),
       kCorrupt,
       {"'t'", "offset 8", "alignment 32"}},
      {"far offset",
       RawGguf().Tensor("t", {4}, 0, 1 << 20).Data(64).Bytes(),
       kCorrupt,
       {"'t'", "1048576", "past the end"}},
      {"wrapping offset",
       RawGguf().Tensor("t", {4}, 0, ~uint64_t{31}).Data(64).Bytes(),
       kCorrupt,
       {"'t'", "past the end"}},
      {"short data",
       RawGguf().Tensor("t", {4, 4}, 0, 0).Data(63).Bytes(),
       kCorrupt,
       {"'t'", "F32 [4, 4]", "64 bytes", "past the end"}},
      {"overlap",
       RawGguf().Tensor("a", {16}, 0, 0).Tensor("b", {4}, 0, 32).Data(96).Bytes(),
       kCorrupt,
       {"'a'", "'b'", "overlap"}},
      {"same place",
       RawGguf().Tensor("a", {4}, 0, 0).Tensor("b", {4}, 0, 0).Data(96).Bytes(),
       kCorrupt,
       {"overlap"}},
      {"twice",
       RawGguf().Tensor("a", {4}, 0, 0).Tensor("a", {4}, 0, 32).Data(96).Bytes(),
       kCorrupt,
       {"'a'", "once"}},
  };
}

void ExpectAllRefused(const std::vector<BadFile>& files) {
  for (const BadFile& bad : files) {
    SCOPED_TRACE(bad.what);
    const auto file = OpenGguf(bad.bytes);
    ExpectError(file, bad.code, bad.message);
    ExpectPrintable(file.status());
  }
}

TEST(GgufFileTest, RefusesBadHeaders) { ExpectAllRefused(BadHeaders()); }
TEST(GgufFileTest, RefusesBadKeys) { ExpectAllRefused(BadKeys()); }
TEST(GgufFileTest, RefusesBadTensors) { ExpectAllRefused(BadTensors()); }

}  // namespace
}  // namespace mcv
