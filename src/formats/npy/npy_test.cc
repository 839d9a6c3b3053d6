#include "formats/npy/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/testing/bytes.h"

namespace mcv {
namespace {

using ::testing::ElementsAre;

// A version-1 file with this dictionary and these values.
ByteVector MakeNpy(const std::string& header, const std::vector<float>& values, char version = 1) {
  BytesBuilder out;
  out.Raw("\x93NUMPY").Put(version).Put<char>(0);
  if (version == 1) {
    out.Put(static_cast<uint16_t>(header.size()));
  } else {
    out.Put(static_cast<uint32_t>(header.size()));
  }
  out.Raw(header);
  for (const float value : values) out.Put(value);
  return out.bytes();
}

std::string Header(const std::string& descr, const std::string& order, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }  \n";
}

ByteVector SmallNpy() { return MakeNpy(Header("<f4", "False", "(2, 3)"), {1, 2, 3, 4, 5, 6}); }

TEST(NpyTest, ReadsShapeAndValues) {
  const auto array = ParseNpy(SmallNpy(), "test");
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  EXPECT_THAT(array->shape, ElementsAre(2, 3));
  EXPECT_THAT(array->values, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyTest, ReadsOneDimensionScalarsAndLaterVersions) {
  EXPECT_THAT(ParseNpy(MakeNpy(Header("<f4", "False", "(2,)"), {7, 8}), "test")->shape,
              ElementsAre(2));
  EXPECT_TRUE(ParseNpy(MakeNpy(Header("<f4", "False", "()"), {7}), "test")->shape.empty());
  EXPECT_TRUE(ParseNpy(MakeNpy(Header("<f4", "False", "(0, 5)"), {}), "test")->values.empty());
  EXPECT_TRUE(ParseNpy(MakeNpy(Header("<f4", "False", "(1,)"), {7}, 2), "test").ok());
}

TEST(NpyTest, RefusesOtherKindsAndDamage) {
  const auto expect = [](const ByteVector& bytes, StatusCode code, const std::string& message) {
    const auto array = ParseNpy(bytes, "test");
    ExpectError(array, code, {"test", message});
    ExpectPrintable(array.status());
  };
  const auto unsupported = StatusCode::kUnsupported, corrupt = StatusCode::kCorrupt;
  expect(MakeNpy(Header("<f8", "False", "(1,)"), {1, 2}), unsupported, "'<f4'");
  expect(MakeNpy(Header("<f4", "True", "(1,)"), {1}), unsupported, "C order");
  expect(MakeNpy(Header("<f4", "False", "(1,)"), {1}, 9), unsupported, "version 9");
  expect(MakeNpy(Header("<f4", "False", "(2,)"), {1}), corrupt, "needs 8 bytes");
  expect(MakeNpy(Header("<f4", "False", "(-1,)"), {1}), corrupt, "shape");
  expect(MakeNpy(Header("<f4", "False", "(1"), {1}), corrupt, "shape");
  expect(MakeNpy(Header("<f4", "False", "(4294967296, 4294967296)"), {}), corrupt, "large");
  expect(MakeNpy(Header("<f4", "False", "(99999999999999999999,)"), {}), corrupt, "shape");
  expect(MakeNpy("{}", {}), corrupt, "lacks");
  expect(BytesBuilder().Raw("PK\x03\x04 something else").bytes(), corrupt, "NUMPY");
  ExpectError(ReadNpy("/no/such.npy"), StatusCode::kNotFound, {"/no/such.npy"});
}

TEST(NpyTest, EveryTruncationIsRefusedAndEveryFlipSurvived) {
  const ByteVector whole = SmallNpy();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(ParseNpy(Truncate(whole, length), "test").ok());
  }
  for (size_t at = 0; at < whole.size() - 24; ++at) {
    ForEachFlip(whole, at, [](const ByteVector& bytes) {
      const auto array = ParseNpy(bytes, "test");
      if (array.ok()) {
        EXPECT_EQ(array->values.size(), 6u);
      } else {
        ExpectPrintable(array.status());
      }
    });
  }
}

}  // namespace
}  // namespace mcv
