// Every truncation and every damaged header byte of a small file, as in gguf_damage_test.cc.
#include <gtest/gtest.h>

#include "formats/safetensors/safetensors_fixture.h"

namespace mcv {
namespace {

void ExpectStatusOrValid(const ByteVector& bytes) {
  const auto file = OpenSafetensors(bytes);
  if (!file.ok()) {
    EXPECT_FALSE(file.status().message().empty());
    ExpectPrintable(file.status());
    return;
  }
  for (const SafeTensor& tensor : file->tensors()) {
    ASSERT_TRUE(LiesInside(tensor.data, bytes));
    ASSERT_EQ(file->Find(tensor.name), &tensor);
    if (!tensor.known) continue;
    uint64_t elements = 1;
    for (const uint64_t dim : tensor.shape) elements *= dim;
    ASSERT_EQ(tensor.data.size(), elements * Traits(tensor.type).block_bytes);
  }
}

TEST(SafetensorsDamageTest, EveryTruncationIsRefused) {
  const ByteVector whole = SmallSafetensors();
  ASSERT_TRUE(OpenSafetensors(whole).ok());
  for (size_t length = 0; length < whole.size(); ++length) {
    const ByteVector cut = Truncate(whole, length);
    const auto file = OpenSafetensors(cut);
    ASSERT_FALSE(file.ok()) << "cut to " << length << " bytes";
    ExpectPrintable(file.status());
  }
}

TEST(SafetensorsDamageTest, EveryDamagedHeaderByteIsSurvived) {
  const ByteVector whole = SmallSafetensors();
  for (size_t at = 0; at < whole.size() - 36; ++at) ForEachFlip(whole, at, ExpectStatusOrValid);
}

TEST(SafetensorsDamageTest, EveryByteValueAtEveryPlaceIsSurvived) {
  const ByteVector whole = SmallSafetensors();
  for (size_t at = 8; at < whole.size() - 36; ++at) {
    for (const char c : {'"', '{', '}', '[', ']', ',', ':', '\\', '0', '9', '-', '.', 'e', 'n'}) {
      ExpectStatusOrValid(WithByte(whole, at, static_cast<uint8_t>(c)));
    }
  }
}

}  // namespace
}  // namespace mcv
