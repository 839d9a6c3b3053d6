#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

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

// --- what other programs make of them ---

std::string BigEndian(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}

// With its checksum.
std::string Chunk(const std::string& type, const std::string& payload) {
  const std::string body = type + payload;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()));
  return BigEndian(uint32_t(payload.size())) + body + BigEndian(uint32_t(sum));
}

constexpr size_t kAfterHeader = 8 + 12 + 13;

std::string WithChunk(const std::string& png, const std::string& type, const std::string& payload) {
  return png.substr(0, kAfterHeader) + Chunk(type, payload) + png.substr(kAfterHeader);
}

PngSource SixteenBitGray(const std::vector<uint16_t>& samples) {
  std::vector<uint8_t> row;
  for (const uint16_t sample : samples) {
    row.push_back(static_cast<uint8_t>(sample >> 8));
    row.push_back(static_cast<uint8_t>(sample & 255));
  }
  return Source(static_cast<int>(samples.size()), 1, 16, PNG_COLOR_TYPE_GRAY, {row});
}

TEST(PngTest, AsStoredSixteenBitGrayIsClippedAsTheReferenceDoes) {
  const PngSource source = SixteenBitGray({0, 7, 255, 256, 65535});
  ExpectPixels(source, {0, 0, 0, 7, 7, 7, 255, 255, 255, 255, 255, 255, 255, 255, 255},
               {.alpha_over_white = false});
  ExpectPixels(source, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 255, 255, 255});
}

TEST(PngTest, SamplesCountedFromTheLowestBitAreScaled) {
  for (const bool interlaced : {false, true}) {
    PngSource source = SixteenBitGray({0, 2048, 4095});
    source.interlaced = interlaced;
    const auto twelve = Decode(WithChunk(EncodePng(source), "sBIT", "\x0c"));
    ASSERT_TRUE(twelve.ok());
    EXPECT_EQ(twelve->image.pixels, (Pixels{0, 0, 0, 128, 128, 128, 255, 255, 255}));
    EXPECT_TRUE(twelve->notes.empty());
    // By the letter of the standard they fill 16 bits.
    source = SixteenBitGray({0, 0x8000, 0xfff0});
    source.interlaced = interlaced;
    EXPECT_EQ(Decode(WithChunk(EncodePng(source), "sBIT", "\x0c"))->image.pixels,
              (Pixels{0, 0, 0, 128, 128, 128, 255, 255, 255}));
  }
  PngSource colour = Source(1, 1, 16, PNG_COLOR_TYPE_RGB_ALPHA, {{3, 255, 0, 0, 1, 0, 255, 255}});
  EXPECT_EQ(Decode(WithChunk(EncodePng(colour), "sBIT", "\x0a\x0a\x0a\x10"))->image.pixels,
            (Pixels{255, 0, 64}));
  // Nobody says so: it is told.
  const auto dark = Decode(EncodePng(SixteenBitGray({0, 2048, 4095})));
  ASSERT_EQ(dark->notes.size(), 1u);
  EXPECT_THAT(dark->notes[0], HasSubstr("4095 of 65535"));
}

TEST(PngTest, IndicesBeyondThePaletteAreGrayAsForTheReference) {
  // libpng does not write such pictures: a gray one becomes one with a palette.
  const auto with_palette = [](const PngSource& gray) {
    const std::string png = EncodePng(gray);
    std::string header = png.substr(16, 13);
    header[9] = PNG_COLOR_TYPE_PALETTE;
    const std::string palette = {9, 8, 7, 20, 10, 5};
    return Decode(png.substr(0, 8) + Chunk("IHDR", header) + Chunk("PLTE", palette) +
                  png.substr(kAfterHeader));
  };
  for (const bool interlaced : {false, true}) {
    PngSource source = Source(3, 1, 8, PNG_COLOR_TYPE_GRAY, {{0, 77, 255}});
    source.interlaced = interlaced;
    EXPECT_EQ(with_palette(source)->image.pixels, (Pixels{9, 8, 7, 77, 77, 77, 255, 255, 255}));
    source = Source(2, 1, 4, PNG_COLOR_TYPE_GRAY, {{0x1f}});
    source.interlaced = interlaced;
    EXPECT_EQ(with_palette(source)->image.pixels, (Pixels{20, 10, 5, 15, 15, 15}));
  }
}

TEST(PngTest, AWrongChecksumCostsNoPixel) {
  PngSource source = Source(40, 30, 8, PNG_COLOR_TYPE_RGB, {});
  for (int y = 0; y < 30; ++y) source.rows.emplace_back(120, static_cast<uint8_t>(y * 8));
  const std::string good = EncodePng(source);
  const Pixels want = Decode(good)->image.pixels;
  const size_t data = good.find("IDAT");
  const size_t end = good.find("IEND");
  // The chunk's, the compressed data's with the chunk's, the header's.
  for (const size_t at : {end - 5, end - 9, size_t{29}}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    const auto decoded = Decode(bad);
    ASSERT_TRUE(decoded.ok()) << at << ": " << decoded.status().message();
    EXPECT_EQ(decoded->image.pixels, want);
    ASSERT_EQ(decoded->notes.size(), 1u) << at;
    EXPECT_THAT(decoded->notes[0], HasSubstr("checksum"));
  }
  // What is really damaged stays told.
  std::string bad = good;
  bad[data + 20] = static_cast<char>(bad[data + 20] ^ 0x55);
  const auto decoded = Decode(bad);
  EXPECT_TRUE(!decoded.ok() || !decoded->notes.empty());
}

TEST(PngTest, OrientationInARawProfile) {
  const std::string tiff("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 26);
  std::string hex = "\nexif\n      32\n";
  size_t count = 0;
  for (const char c : std::string("Exif\0\0", 6) + tiff) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[c & 15];
    if (++count % 12 == 0) hex += '\n';
  }
  hex += '\n';
  std::string packed(compressBound(hex.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(hex.data()), hex.size());
  packed.resize(size);
  const std::string png = EncodePng(Source(2, 1, 8, PNG_COLOR_TYPE_GRAY, {{1, 2}}));
  const std::string exif("Raw profile type exif\0", 22);
  const std::string app1("Raw profile type APP1\0", 22);
  const std::string no_language(4, '\0');
  const std::vector<std::pair<std::string, std::string>> chunks = {
      {"tEXt", exif + hex},
      {"zTXt", exif + std::string(1, '\0') + packed},
      {"zTXt", app1 + std::string(1, '\0') + packed},
      {"iTXt", exif + no_language + hex},
      {"iTXt", exif + std::string("\1\0\0\0", 4) + packed}};
  for (const auto& [type, payload] : chunks) {
    const auto decoded = Decode(WithChunk(png, type, payload));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->info.orientation, 6) << type;
    EXPECT_EQ(decoded->image.height, 2) << type;
    for (size_t cut = 0; cut < payload.size(); ++cut) {
      EXPECT_TRUE(Decode(WithChunk(png, type, payload.substr(0, cut))).ok());
    }
  }
}

TEST(PngTest, WhiteOnNothingIsShownOnBlack) {
  const PngSource drawing =
      Source(2, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {{255, 255, 255, 0, 255, 255, 255, 255}});
  const auto shown = Decode(EncodePng(drawing));
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(shown->image.pixels, (Pixels{0, 0, 0, 255, 255, 255}));
  ASSERT_EQ(shown->notes.size(), 1u);
  EXPECT_THAT(shown->notes[0], HasSubstr("on black"));
  EXPECT_EQ(Decode(EncodePng(drawing), {.alpha_over_white = false})->image.pixels, Pixels(6, 255));
  // An empty sheet and nothing at all stay white.
  ExpectPixels(Source(1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {{250, 251, 252, 255}}), {250, 251, 252});
  ExpectPixels(Source(1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {{255, 255, 255, 0}}), {255, 255, 255});
}

TEST(PngTest, AppleFormIsNamed) {
  const std::string png = EncodePng(Source(1, 1, 8, PNG_COLOR_TYPE_GRAY, {{1}}));
  const std::string apple =
      png.substr(0, 8) + std::string("\0\0\0\4CgBI\x50\0\x20\2abcd", 16) + png.substr(8);
  const auto decoded = Decode(apple);
  EXPECT_EQ(decoded.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(decoded.status().message(), HasSubstr("Xcode"));
}
}  // namespace
}  // namespace mcv
