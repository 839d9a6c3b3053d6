#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/mapped_file.h"
#include "formats/image/image.h"
#include "tests/support/encode_pictures.h"

namespace mcv {
namespace {

using testing::HasSubstr;
using Pixels = std::vector<uint8_t>;

Result<DecodedImage> Decode(const std::string& file, const ImageOptions& options = {}) {
  return DecodeImage(std::as_bytes(std::span(file)), options);
}

void ExpectPixels(const PngSource& source, const Pixels& want, const ImageOptions& options = {}) {
  for (bool interlaced : {false, true}) {
    PngSource variant = source;
    variant.interlaced = interlaced;
    const auto decoded = Decode(EncodePng(variant), options);
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    EXPECT_EQ(decoded->image.width, source.width);
    EXPECT_EQ(decoded->image.height, source.height);
    EXPECT_EQ(decoded->image.pixels, want) << "interlaced " << interlaced;
    EXPECT_TRUE(decoded->notes.empty());
  }
}

PngSource Source(int width, int height, int depth, int color_type,
                 std::vector<std::vector<uint8_t>> rows) {
  PngSource source;
  source.width = width;
  source.height = height;
  source.depth = depth;
  source.color_type = color_type;
  source.rows = std::move(rows);
  return source;
}

TEST(PngTest, DecodesGrayOfEveryDepth) {
  ExpectPixels(Source(4, 1, 1, PNG_COLOR_TYPE_GRAY, {{0b01010000}}),
               {0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255});
  ExpectPixels(Source(2, 1, 2, PNG_COLOR_TYPE_GRAY, {{0b01100000}}), {85, 85, 85, 170, 170, 170});
  ExpectPixels(Source(2, 1, 4, PNG_COLOR_TYPE_GRAY, {{0x1f}}), {17, 17, 17, 255, 255, 255});
  ExpectPixels(Source(2, 2, 8, PNG_COLOR_TYPE_GRAY, {{1, 2}, {3, 4}}),
               {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4});
  ExpectPixels(Source(2, 1, 16, PNG_COLOR_TYPE_GRAY, {{0x12, 0xff, 0x80, 0x00}}),
               {0x12, 0x12, 0x12, 0x80, 0x80, 0x80});
}

TEST(PngTest, DecodesColour) {
  ExpectPixels(Source(2, 1, 8, PNG_COLOR_TYPE_RGB, {{1, 2, 3, 4, 5, 6}}), {1, 2, 3, 4, 5, 6});
  ExpectPixels(Source(1, 1, 16, PNG_COLOR_TYPE_RGB, {{9, 200, 8, 100, 7, 255}}), {9, 8, 7});
}

TEST(PngTest, PutsAlphaOverWhiteOrDropsIt) {
  const PngSource rgba = Source(3, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA,
                                {{10, 20, 30, 255, 10, 20, 30, 0, 100, 0, 200, 128}});
  ExpectPixels(rgba, {10, 20, 30, 255, 255, 255, 177, 127, 227});
  ExpectPixels(rgba, {10, 20, 30, 10, 20, 30, 100, 0, 200}, {.alpha_over_white = false});
  const PngSource gray = Source(2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, {{50, 255, 50, 0}});
  ExpectPixels(gray, {50, 50, 50, 255, 255, 255});
  ExpectPixels(gray, {50, 50, 50, 50, 50, 50}, {.alpha_over_white = false});
  ExpectPixels(Source(1, 1, 16, PNG_COLOR_TYPE_RGB_ALPHA, {{1, 0, 2, 0, 3, 0, 255, 255}}),
               {1, 2, 3});
}

TEST(PngTest, LooksColoursUpInThePalette) {
  for (int depth : {1, 2, 4, 8}) {
    PngSource source = Source(2, 1, depth, PNG_COLOR_TYPE_PALETTE, {{0, 0}});
    source.rows[0][0] = static_cast<uint8_t>(1 << (8 - depth));  // index 1 ...
    if (depth == 8) source.rows[0] = {1, 0};                     // ... then index 0
    source.palette = {{9, 8, 7}, {200, 100, 50}};
    ExpectPixels(source, {200, 100, 50, 9, 8, 7});
    source.palette_alpha = {0};  // colour 0 is clear, the rest opaque
    ExpectPixels(source, {200, 100, 50, 255, 255, 255});
    ExpectPixels(source, {200, 100, 50, 9, 8, 7}, {.alpha_over_white = false});
  }
}

TEST(PngTest, TakesOneColourAsClear) {
  png_color_16 clear = {};
  clear.red = 1;
  clear.green = 2;
  clear.blue = 3;
  PngSource source = Source(2, 1, 8, PNG_COLOR_TYPE_RGB, {{1, 2, 3, 4, 5, 6}});
  source.transparent = &clear;
  ExpectPixels(source, {255, 255, 255, 4, 5, 6});
  clear.gray = 7;
  PngSource gray = Source(2, 1, 8, PNG_COLOR_TYPE_GRAY, {{7, 8}});
  gray.transparent = &clear;
  ExpectPixels(gray, {255, 255, 255, 8, 8, 8});
}

PngSource Ramp(int width, int height, int channels) {
  PngSource source =
      Source(width, height, 8, channels == 4 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB, {});
  for (int y = 0; y < height; ++y) {
    std::vector<uint8_t> row;
    for (int x = 0; x < width; ++x) {
      // Noise, so that half of the file is about half of the rows.
      const uint32_t bits = static_cast<uint32_t>(x * 7919 + y * 104729) * 2654435761u;
      for (int c = 0; c < channels; ++c) row.push_back(static_cast<uint8_t>(bits >> (8 + 4 * c)));
    }
    source.rows.push_back(row);
  }
  return source;
}

TEST(PngTest, ReadsOrientationFromTheFile) {
  PngSource source = Ramp(30, 20, 3);
  source.exif = ToBytes(OrientationTiff(8, /*big_endian=*/true));
  const auto decoded = Decode(EncodePng(source));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->info.orientation, 8);
  EXPECT_EQ(decoded->image.width, 20);
  EXPECT_EQ(decoded->image.height, 30);
}

TEST(PngTest, ShowsWhatArrivedOfATruncatedFileAndSaysSo) {
  for (int channels : {3, 4}) {
    PngSource source = Ramp(100, 80, channels);
    const std::string file = EncodePng(source);
    const auto whole = Decode(file);
    const auto half = Decode(file.substr(0, file.size() / 2));
    ASSERT_TRUE(half.ok()) << half.status().ToString();
    ASSERT_EQ(half->notes.size(), 1u);
    EXPECT_THAT(half->notes[0], HasSubstr("of 80 rows"));
    EXPECT_TRUE(std::equal(half->image.pixels.begin(), half->image.pixels.begin() + 100 * 3 * 20,
                           whole->image.pixels.begin()));
    EXPECT_EQ(half->image.pixels.back(), 128);
    source.interlaced = true;
    const std::string interlaced = EncodePng(source);
    const auto coarse = Decode(interlaced.substr(0, interlaced.size() / 2));
    ASSERT_TRUE(coarse.ok()) << coarse.status().ToString();
    EXPECT_THAT(coarse->notes[0], HasSubstr("pass"));
  }
}

TEST(PngTest, TakesLargeChunksThatItDoesNotNeed) {
  std::string file = EncodePng(Ramp(8, 8, 3));
  // A private ancillary chunk of 9 MB before the pixels; its checksum is not looked at.
  std::string chunk("\x00\x90\x00\x00teSt", 8);
  chunk.append(0x900000 + 4, 'x');
  file.insert(33, chunk);
  const auto decoded = Decode(file);
  EXPECT_TRUE(decoded.ok()) << decoded.status().ToString();
}

std::string HeaderOnly(const std::string& width, const std::string& height) {
  return std::string("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16) + width + height +
         std::string("\x08\x02\0\0\0\0\0\0\0", 9);
}

TEST(PngTest, RefusesClaimsBeforeTakingMemory) {
  const std::string max_side("\x7f\xff\xff\xff", 4);
  const auto huge = Decode(HeaderOnly(max_side, max_side));
  ASSERT_FALSE(huge.ok());
  EXPECT_EQ(huge.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(huge.status().message(), HasSubstr("2147483647x2147483647"));
  const auto beyond = Decode(HeaderOnly("\xff\xff\xff\xff", max_side));
  ASSERT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.status().code(), StatusCode::kCorrupt);
  const auto zero = Decode(HeaderOnly(std::string(4, '\0'), max_side));
  ASSERT_FALSE(zero.ok());
  EXPECT_EQ(zero.status().code(), StatusCode::kCorrupt);
  const std::string side_12000("\0\0\x2e\xe0", 4);
  const auto implausible = Decode(HeaderOnly(side_12000, side_12000));
  ASSERT_FALSE(implausible.ok());
  EXPECT_THAT(implausible.status().message(), HasSubstr("cannot hold"));
}

TEST(PngTest, WritesWhatItReads) {
  Image image{37, 11, {}};
  for (int i = 0; i < 37 * 11 * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 31));
  const std::string path = testing::TempDir() + "/written.png";
  ASSERT_TRUE(WritePng(path, image).ok());
  const auto loaded = LoadImage(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->image.pixels, image.pixels);
  EXPECT_EQ(loaded->image.width, 37);
  EXPECT_FALSE(WritePng("/nonexistent-folder/x.png", image).ok());
}

}  // namespace
}  // namespace mcv
