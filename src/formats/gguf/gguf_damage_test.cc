// Every truncation and every damaged header byte of a small file: the answer is a Status or a file
// that is valid in itself. Under the sanitizers this is where a stray read would show.
#include <gtest/gtest.h>

#include "formats/gguf/gguf_file.h"
#include "formats/gguf/gguf_fixture.h"

namespace mcv {
namespace {

// Everything a reader can reach lies inside the file.
void ExpectValid(const GgufFile& file, const ByteVector& bytes) {
  for (const GgufKey& key : file.keys()) {
    ASSERT_TRUE(LiesInside(key.name, bytes));
    if (const auto* text = std::get_if<std::string_view>(&key.value.value)) {
      ASSERT_TRUE(LiesInside(*text, bytes));
    }
    if (const auto* texts = std::get_if<std::vector<std::string_view>>(&key.value.value)) {
      for (const std::string_view text : *texts) ASSERT_TRUE(LiesInside(text, bytes));
    }
  }
  for (const GgufTensor& tensor : file.tensors()) {
    ASSERT_TRUE(LiesInside(tensor.data, bytes));
    ASSERT_EQ(tensor.data.size(), *RowBytes(tensor.type, tensor.columns()) * tensor.rows());
    ASSERT_EQ(file.FindTensor(tensor.name), &tensor);
  }
}

void ExpectStatusOrValid(const ByteVector& bytes) {
  const auto file = OpenGguf(bytes);
  if (file.ok()) {
    ExpectValid(*file, bytes);
  } else {
    EXPECT_FALSE(file.status().message().empty());
    ExpectPrintable(file.status());
  }
}

TEST(GgufDamageTest, EveryTruncationIsRefused) {
  const ByteVector whole = SmallGguf();
  ASSERT_TRUE(OpenGguf(whole).ok());
  // The last tensor is the last 32 bytes of the data.
  for (size_t length = 0; length < whole.size(); ++length) {
    const ByteVector cut = Truncate(whole, length);
    const auto file = OpenGguf(cut);
    ASSERT_FALSE(file.ok()) << "cut to " << length << " bytes";
    ExpectPrintable(file.status());
  }
}

TEST(GgufDamageTest, EveryDamagedHeaderByteIsSurvived) {
  const ByteVector whole = SmallGguf();
  const auto file = OpenGguf(whole);
  ASSERT_TRUE(file.ok());
  const uint64_t header_end = file->tensors()[0].file_offset;
  for (size_t at = 0; at < header_end; ++at) ForEachFlip(whole, at, ExpectStatusOrValid);
}

// Two damaged places at once reach states that one cannot: a length and what it should cover.
TEST(GgufDamageTest, PairsOfDamagedHeaderBytesAreSurvived) {
  const ByteVector whole = SmallGguf();
  const uint64_t header_end = OpenGguf(whole)->tensors()[0].file_offset;
  for (size_t first = 4; first < header_end; first += 5) {
    for (size_t second = first + 1; second < header_end; second += 17) {
      ExpectStatusOrValid(WithByte(WithByte(whole, first, 0xff), second, 0x09));
    }
  }
}

TEST(GgufDamageTest, DamagedCountsDoNotAllocate) {
  // 2^40 of anything would show as an out-of-memory stop; the sanitizers cap it far lower.
  const ByteVector whole = SmallGguf();
  for (size_t at = 8; at < 24; ++at) {
    const ByteVector damaged = WithByte(whole, at, 0x7f);
    EXPECT_FALSE(OpenGguf(damaged).ok());
  }
}

}  // namespace
}  // namespace mcv
