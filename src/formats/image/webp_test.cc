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
using Pixels = std::vector<uint8_t>;

Result<DecodedImage> Decode(const std::string& file, const ImageOptions& options = {}) {
  return DecodeImage(std::as_bytes(std::span(file)), options);
}

Pixels Gradient(int width, int height, int channels) {
  Pixels pixels;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      pixels.push_back(static_cast<uint8_t>(x * 255 / width));
      pixels.push_back(static_cast<uint8_t>(y * 255 / height));
      pixels.push_back(90);
      if (channels == 4) pixels.push_back(static_cast<uint8_t>(x < width / 2 ? 255 : 0));
    }
  }
  return pixels;
}

TEST(WebpTest, DecodesLosslessToTheByte) {
  const Pixels pixels = Gradient(50, 30, 3);
  const auto decoded = Decode(EncodeWebp(50, 30, 3, pixels, /*lossless=*/true));
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->image.pixels, pixels);
  EXPECT_EQ(decoded->info.format, "WebP");
  EXPECT_FALSE(decoded->info.alpha);
}

TEST(WebpTest, DecodesLossy) {
  const Pixels pixels = Gradient(50, 30, 3);
  const auto decoded = Decode(EncodeWebp(50, 30, 3, pixels, /*lossless=*/false));
  ASSERT_TRUE(decoded.ok());
  for (size_t i = 0; i < pixels.size(); ++i) {
    ASSERT_NEAR(decoded->image.pixels[i], pixels[i], 16);
  }
}

TEST(WebpTest, PutsAlphaOverWhiteOrDropsIt) {
  for (bool lossless : {true, false}) {
    const std::string file = EncodeWebp(40, 20, 4, Gradient(40, 20, 4), lossless);
    const auto over_white = Decode(file);
    ASSERT_TRUE(over_white.ok()) << over_white.status().ToString();
    EXPECT_TRUE(over_white->info.alpha);
    EXPECT_NEAR(over_white->image.pixels[2], 90, 12);
    for (size_t i = 3 * 39; i < 3 * 40; ++i) EXPECT_EQ(over_white->image.pixels[i], 255);
    const auto dropped = Decode(file, {.alpha_over_white = false});
    ASSERT_TRUE(dropped.ok());
    EXPECT_NE(dropped->image.pixels[3 * 39], 255);
  }
}

std::string BareChunk(const std::string& file) { return file.substr(12); }

TEST(WebpTest, ReadsOrientationFromTheExifChunk) {
  const std::string bare = BareChunk(EncodeWebp(30, 20, 3, Gradient(30, 20, 3), true));
  const std::string file =
      RiffFile(WebpExtendedHeader(0x08, 30, 20) + bare + RiffChunk("EXIF", OrientationTiff(6)));
  const auto decoded = Decode(file);
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->info.orientation, 6);
  EXPECT_EQ(decoded->image.width, 20);
}

// A 60x40 canvas; the first frame covers 30x20 of it at (10, 6).
TEST(WebpTest, TakesTheFirstFrameOfAnAnimation) {
  std::string frame;
  AppendLittleEndian(5, 3, &frame);  // offsets are stored halved
  AppendLittleEndian(3, 3, &frame);
  AppendLittleEndian(29, 3, &frame);
  AppendLittleEndian(19, 3, &frame);
  AppendLittleEndian(100, 3, &frame);
  AppendLittleEndian(0, 1, &frame);
  frame += BareChunk(EncodeWebp(30, 20, 3, Gradient(30, 20, 3), true));
  std::string animation;
  AppendLittleEndian(0xffffffff, 4, &animation);
  AppendLittleEndian(0, 2, &animation);
  const std::string file =
      RiffFile(WebpExtendedHeader(0x02, 60, 40) + RiffChunk("ANIM", animation) +
               RiffChunk("ANMF", frame) + RiffChunk("ANMF", frame));
  const auto decoded = Decode(file);
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->image.width, 60);
  EXPECT_EQ(decoded->image.height, 40);
  ASSERT_EQ(decoded->notes.size(), 1u);
  EXPECT_THAT(decoded->notes[0], HasSubstr("first frame"));
  EXPECT_EQ(decoded->image.pixels[0], 255);  // the bare canvas
  const size_t inside = 3 * (6 * 60 + 10);
  EXPECT_EQ(decoded->image.pixels[inside], 0);
  EXPECT_EQ(decoded->image.pixels[inside + 2], 90);
}

TEST(WebpTest, ShowsWhatArrivedOfATruncatedFileAndSaysSo) {
  Pixels noise;
  uint32_t state = 1;
  for (int i = 0; i < 200 * 160 * 3; ++i) {
    state = state * 1664525u + 1013904223u;
    noise.push_back(static_cast<uint8_t>(state >> 24));
  }
  for (bool lossless : {true, false}) {
    const std::string file = EncodeWebp(200, 160, 3, noise, lossless);
    const auto half = Decode(file.substr(0, file.size() * 7 / 10));
    ASSERT_TRUE(half.ok()) << half.status().ToString();
    ASSERT_EQ(half->notes.size(), 1u);
    EXPECT_THAT(half->notes[0], HasSubstr("of 160 rows"));
    const auto whole = Decode(file);
    EXPECT_TRUE(std::equal(half->image.pixels.begin(), half->image.pixels.begin() + 200 * 3 * 8,
                           whole->image.pixels.begin()));
    EXPECT_EQ(half->image.pixels.back(), 128);
  }
}

TEST(WebpTest, RefusesClaimsBeforeTakingMemory) {
  std::string frame(64, '\0');
  const auto decoded = Decode(RiffFile(WebpExtendedHeader(0, 16777216, 200) + frame));
  ASSERT_FALSE(decoded.ok());
  // A plain picture larger than the limit that the caller sets.
  const std::string file = EncodeWebp(50, 30, 3, Gradient(50, 30, 3), true);
  const auto limited = Decode(file, {.max_pixels = 1499});
  ASSERT_FALSE(limited.ok());
  EXPECT_EQ(limited.status().code(), StatusCode::kResourceExhausted);
  const auto side = Decode(file, {.max_side = 49});
  ASSERT_FALSE(side.ok());
  EXPECT_EQ(side.status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace mcv
