#include "formats/image/exif.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/encode_pictures.h"

namespace mcv {
namespace {

int OrientationOf(const std::string& exif) {
  return ExifOrientation(std::as_bytes(std::span(exif)));
}

TEST(ExifTest, ReadsEveryOrientationInBothByteOrders) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (bool big_endian : {false, true}) {
      const std::string tiff = OrientationTiff(orientation, big_endian);
      EXPECT_EQ(OrientationOf(tiff), orientation);
      EXPECT_EQ(OrientationOf(std::string("Exif\0\0", 6) + tiff), orientation);
    }
  }
}

TEST(ExifTest, TakesValuesOutsideTheStandardForUpright) {
  EXPECT_EQ(OrientationOf(OrientationTiff(0)), 1);
  EXPECT_EQ(OrientationOf(OrientationTiff(9)), 1);
  EXPECT_EQ(OrientationOf(OrientationTiff(0xffff)), 1);
  EXPECT_EQ(OrientationOf(""), 1);
  EXPECT_EQ(OrientationOf("not a TIFF structure"), 1);
}

TEST(ExifTest, SurvivesEveryTruncationAndEveryByteFlip) {
  const std::string tiff = OrientationTiff(6);
  for (size_t length = 0; length < tiff.size(); ++length) {
    const int orientation = OrientationOf(tiff.substr(0, length));
    EXPECT_TRUE(orientation == 1 || orientation == 6);
  }
  for (size_t at = 0; at < tiff.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = tiff;
      damaged[at] = static_cast<char>(value);
      const int orientation = OrientationOf(damaged);
      EXPECT_TRUE(orientation >= 1 && orientation <= 8);
    }
  }
}

TEST(ExifTest, FollowsNoOffsetOutOfTheBlock) {
  std::string tiff = OrientationTiff(6);
  for (int i = 4; i < 8; ++i) tiff[static_cast<size_t>(i)] = '\xff';  // the directory's offset
  EXPECT_EQ(OrientationOf(tiff), 1);
  tiff = OrientationTiff(6);
  tiff[8] = tiff[9] = '\xff';  // the directory's count
  EXPECT_EQ(OrientationOf(tiff), 6);
}

}  // namespace
}  // namespace mcv
