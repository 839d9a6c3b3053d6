#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "formats/image/image.h"
#include "tests/support/encode_pictures.h"

namespace mcv {
namespace {

using testing::HasSubstr;

Result<DecodedImage> Decode(const std::string& file, const ImageOptions& options = {}) {
  return DecodeImage(std::as_bytes(std::span(file)), options);
}

// A smooth picture, so that JPEG keeps it to a few levels.
JpegSource Smooth(int width, int height, int channels) {
  JpegSource source{
      .width = width, .height = height, .channels = channels, .pixels = {}, .app1 = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const int value = c == 3 ? 200 : (x * (3 + c) + y * (5 - c)) % 400;
        source.pixels.push_back(static_cast<uint8_t>(value < 200 ? 20 + value : 420 - value));
      }
    }
  }
  return source;
}

int LargestDifference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  EXPECT_EQ(a.size(), b.size());
  int largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(JpegTest, DecodesBaselineAndProgressiveAlike) {
  JpegSource source = Smooth(61, 43, 3);
  for (int sampling : {1, 2}) {
    source.sampling = sampling;
    source.progressive = false;
    const auto baseline = Decode(EncodeJpeg(source));
    source.progressive = true;
    const auto progressive = Decode(EncodeJpeg(source));
    ASSERT_TRUE(baseline.ok()) << baseline.status().ToString();
    ASSERT_TRUE(progressive.ok()) << progressive.status().ToString();
    EXPECT_EQ(baseline->image.pixels, progressive->image.pixels);
    EXPECT_LE(LargestDifference(baseline->image.pixels, source.pixels), sampling == 1 ? 12 : 60);
    EXPECT_EQ(baseline->info.format, "JPEG");
    EXPECT_EQ(baseline->info.channels, 3);
    EXPECT_TRUE(baseline->notes.empty());
  }
}

TEST(JpegTest, SpreadsGrayOverTheChannels) {
  const JpegSource source = Smooth(33, 20, 1);
  const auto decoded = Decode(EncodeJpeg(source));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->info.channels, 1);
  for (size_t i = 0; i < source.pixels.size(); ++i) {
    const uint8_t* pixel = &decoded->image.pixels[3 * i];
    EXPECT_EQ(pixel[0], pixel[1]);
    EXPECT_EQ(pixel[0], pixel[2]);
    EXPECT_NEAR(pixel[0], source.pixels[i], 8);
  }
}

TEST(JpegTest, TurnsCmykAndYcckToRgb) {
  for (bool ycck : {false, true}) {
    JpegSource source = Smooth(40, 24, 4);
    source.ycck = ycck;
    source.quality = 100;
    const auto decoded = Decode(EncodeJpeg(source));
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    EXPECT_EQ(decoded->info.channels, 4);
    for (size_t i = 0; i < source.pixels.size() / 4; ++i) {
      const uint8_t* stored = &source.pixels[4 * i];
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(decoded->image.pixels[3 * i + c], stored[c] * stored[3] / 255.0, 9);
      }
    }
  }
}

TEST(JpegTest, AppliesExifOrientationUnlessToldNotTo) {
  JpegSource source = Smooth(48, 32, 3);
  source.quality = 100;
  source.sampling = 1;
  const auto plain = Decode(EncodeJpeg(source));
  ASSERT_TRUE(plain.ok());
  for (int orientation = 1; orientation <= 8; ++orientation) {
    source.app1 = ToBytes(std::string("Exif\0\0", 6) + OrientationTiff(orientation));
    const std::string file = EncodeJpeg(source);
    const auto upright = Decode(file);
    ASSERT_TRUE(upright.ok());
    EXPECT_EQ(upright->info.orientation, orientation);
    EXPECT_EQ(upright->info.width, 48);
    EXPECT_EQ(upright->image.width, orientation < 5 ? 48 : 32);
    const auto stored = Decode(file, {.apply_orientation = false});
    ASSERT_TRUE(stored.ok());
    EXPECT_EQ(stored->image.pixels, plain->image.pixels);
    EXPECT_EQ(stored->image.pixels == upright->image.pixels, orientation == 1);
  }
}

TEST(JpegTest, ShowsWhatArrivedOfATruncatedFileAndSaysSo) {
  for (bool progressive : {false, true}) {
    JpegSource source = Smooth(160, 120, 3);
    source.progressive = progressive;
    const std::string file = EncodeJpeg(source);
    const auto whole = Decode(file);
    const auto half = Decode(file.substr(0, file.size() * 6 / 10));
    ASSERT_TRUE(half.ok()) << half.status().ToString();
    ASSERT_EQ(half->notes.size(), 1u);
    EXPECT_THAT(half->notes[0], HasSubstr("ends early"));
    EXPECT_EQ(half->image.pixels.size(), whole->image.pixels.size());
    const int first_row =
        LargestDifference({half->image.pixels.begin(), half->image.pixels.begin() + 480},
                          {whole->image.pixels.begin(), whole->image.pixels.begin() + 480});
    EXPECT_LE(first_row, progressive ? 60 : 0);
  }
}

// A progressive file with one scan repeated: valid, tiny for what it asks.
TEST(JpegTest, RefusesScansWithoutEnd) {
  JpegSource source = Smooth(16, 16, 1);
  source.progressive = true;
  const std::string file = EncodeJpeg(source);
  const size_t last_scan = file.rfind("\xff\xda");
  const std::string scan = file.substr(last_scan, file.size() - 2 - last_scan);
  std::string bomb = file.substr(0, file.size() - 2);
  for (int i = 0; i < 5000; ++i) bomb += scan;
  bomb += "\xff\xd9";
  const auto decoded = Decode(bomb);
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.status().message(), HasSubstr("scans"));
}

TEST(JpegTest, RefusesClaimsBeforeTakingMemory) {
  std::string file = EncodeJpeg(Smooth(16, 16, 3));
  const size_t frame = file.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  for (size_t i = 5; i < 9; ++i) file[frame + i] = '\x7f';  // 32639 x 32639
  const auto decoded = Decode(file);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(decoded.status().message(), HasSubstr("32639x32639"));
  for (size_t i = 5; i < 9; ++i) file[frame + i] = '\x20';  // 8224 x 8224: within the limit
  const auto implausible = Decode(file);
  ASSERT_FALSE(implausible.ok());
  EXPECT_THAT(implausible.status().message(), HasSubstr("cannot hold"));
}

// --- whole pictures in odd files ---

void ExpectSamePixelsWithoutNote(const std::string& file, const std::vector<uint8_t>& want) {
  const auto decoded = Decode(file);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  EXPECT_EQ(decoded->image.pixels, want);
  EXPECT_TRUE(decoded->notes.empty()) << decoded->notes[0];
}

TEST(JpegTest, WhatChangesNoPixelIsNotDamage) {
  for (const bool progressive : {false, true}) {
    for (const int channels : {1, 3}) {
      JpegSource source = Smooth(61, 43, channels);
      source.progressive = progressive;
      const std::string file = EncodeJpeg(source);
      const std::vector<uint8_t> want = Decode(file)->image.pixels;
      const std::string body = file.substr(0, file.size() - 2);
      const std::string end = file.substr(file.size() - 2);
      ExpectSamePixelsWithoutNote(body, want);  // no mark at the end
      ExpectSamePixelsWithoutNote(body + std::string(16, '\0') + end, want);
      ExpectSamePixelsWithoutNote(body + std::string(7, '\xff') + end, want);
      ExpectSamePixelsWithoutNote(file + "trailer", want);
      const size_t table = file.find("\xff\xdb");
      ExpectSamePixelsWithoutNote(
          file.substr(0, table) + std::string(20, '\0') + file.substr(table), want);
      ExpectSamePixelsWithoutNote(file.substr(0, table) + "some text" + file.substr(table), want);
    }
  }
}

TEST(JpegTest, WhatIsMissingIsStillTold) {
  JpegSource source = Smooth(61, 43, 3);
  source.progressive = true;
  const std::string file = EncodeJpeg(source);
  const std::vector<uint8_t> want = Decode(file)->image.pixels;
  // Cut exactly where a later scan begins: nothing in what is left is damaged.
  size_t scan = file.find("\xff\xda");
  for (int cuts = 0; (scan = file.find("\xff\xda", scan + 2)) != std::string::npos; ++cuts) {
    size_t table = file.rfind("\xff\xc4", scan);  // the scan's own tables lie before it
    if (table == std::string::npos || table < file.rfind("\xff\xda", scan - 1)) table = scan;
    for (const size_t at : {table, scan}) {
      const auto decoded = Decode(file.substr(0, at));
      ASSERT_TRUE(decoded.ok());
      if (decoded->image.pixels == want) continue;
      ASSERT_FALSE(decoded->notes.empty()) << at;
      EXPECT_THAT(decoded->notes[0], HasSubstr("ends early"));
    }
  }
}
}  // namespace
}  // namespace mcv
