// What the three formats have in common: refusals by name, odd shapes, damage, expected pixels.

#include "formats/image/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/file_writer.h"
#include "tests/support/encode_pictures.h"
#include "tests/support/goldens.h"

namespace mcv {
namespace {

using testing::HasSubstr;

Result<DecodedImage> Decode(const std::string& file, const ImageOptions& options = {}) {
  return DecodeImage(std::as_bytes(std::span(file)), options);
}

std::vector<uint8_t> SomePixels(int width, int height) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < width * height * 3; ++i)
    pixels.push_back(static_cast<uint8_t>(i * 7 + i / 50));
  return pixels;
}

std::string SomePng(int width, int height, bool interlaced = false) {
  PngSource source;
  source.width = width;
  source.height = height;
  source.interlaced = interlaced;
  const std::vector<uint8_t> pixels = SomePixels(width, height);
  for (int y = 0; y < height; ++y) {
    source.rows.emplace_back(pixels.begin() + y * width * 3, pixels.begin() + (y + 1) * width * 3);
  }
  return EncodePng(source);
}

std::string SomeJpeg(int width, int height, bool progressive = false) {
  JpegSource source;
  source.width = width;
  source.height = height;
  source.pixels = SomePixels(width, height);
  source.progressive = progressive;
  source.app1 = ToBytes(std::string("Exif\0\0", 6) + OrientationTiff(3));
  return EncodeJpeg(source);
}

std::string SomeWebp(int width, int height, bool lossless = true) {
  return EncodeWebp(width, height, 3, SomePixels(width, height), lossless);
}

TEST(ImageTest, RefusesOtherFilesByName) {
  for (const auto& [file, name] : {std::pair<std::string, std::string>{"", "an empty file"},
                                   {"GIF89a\1\0\1\0", "a GIF picture"},
                                   {"What a picture!\n", "a text file"},
                                   {"%PDF-1.4", "a PDF document"}}) {
    const auto decoded = Decode(file);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().code(), StatusCode::kUnsupported);
    EXPECT_THAT(decoded.status().message(), HasSubstr(name));
    EXPECT_THAT(decoded.status().message(), HasSubstr("accepted are JPEG, PNG and WebP"));
  }
}

TEST(ImageTest, NamesFilesThatCannotBeRead) {
  EXPECT_EQ(LoadImage("/no/such/picture.png").status().code(), StatusCode::kNotFound);
  const auto folder = LoadImage(testing::TempDir());
  ASSERT_FALSE(folder.ok());
  EXPECT_THAT(folder.status().message(), HasSubstr(testing::TempDir()));
  const std::string path = testing::TempDir() + "/note.png";
  ASSERT_TRUE(WriteFile(path, "not a picture at all").ok());
  EXPECT_THAT(LoadImage(path).status().message(), HasSubstr("note.png"));
}

TEST(ImageTest, TakesOddShapes) {
  for (auto [width, height] : {std::pair{1, 1}, {1, 20000}, {20000, 1}, {3, 2}}) {
    std::vector<std::string> files = {SomePng(width, height), SomePng(width, height, true),
                                      SomeJpeg(width, height), SomeJpeg(width, height, true)};
    if (width < 16384 && height < 16384) files.push_back(SomeWebp(width, height));
    for (const std::string& file : files) {
      const auto decoded = Decode(file);
      ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
      EXPECT_EQ(decoded->image.width, width);
      EXPECT_EQ(decoded->image.height, height);
      EXPECT_EQ(decoded->image.pixels.size(), size_t(width) * size_t(height) * 3);
      const auto info = ReadImageInfo(std::as_bytes(std::span(file)));
      ASSERT_TRUE(info.ok());
      EXPECT_EQ(info->width, width);
    }
  }
}

std::vector<std::string> SmallFiles() {
  return {SomeJpeg(20, 12),      SomeJpeg(20, 12, true), SomePng(20, 12),
          SomePng(20, 12, true), SomeWebp(20, 12),       SomeWebp(20, 12, false)};
}

// Whatever comes back is a whole picture or a reason.
void ExpectSound(const Result<DecodedImage>& decoded) {
  if (!decoded.ok()) {
    EXPECT_FALSE(decoded.status().message().empty());
    return;
  }
  const Image& image = decoded->image;
  EXPECT_EQ(image.pixels.size(), size_t(image.width) * size_t(image.height) * 3);
}

TEST(ImageTest, SurvivesEveryTruncation) {
  for (const std::string& file : SmallFiles()) {
    for (size_t length = 0; length <= file.size(); ++length) {
      // An exact copy on the heap, so that a read past the end is seen by the address sanitizer.
      const std::vector<char> bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(length));
      const auto decoded = DecodeImage(std::as_bytes(std::span(bytes)));
      ExpectSound(decoded);
      if (length == file.size()) {
        ASSERT_TRUE(decoded.ok());
        EXPECT_TRUE(decoded->notes.empty());
      }
    }
  }
}

TEST(ImageTest, SurvivesByteFlips) {
  ImageOptions options;
  options.max_pixels = 4'000'000;  // keeps damaged sizes that are still plausible cheap
  for (const std::string& file : SmallFiles()) {
    for (size_t at = 0; at < file.size(); ++at) {
      for (int flip : {0x01, 0x80, 0xff, 0x10}) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        ExpectSound(Decode(damaged, options));
      }
    }
  }
}

TEST(ImageTest, AgreesWithTheReferenceDecoder) {
  MCV_GOLDEN_OR_SKIP(jpeg_path, "images/exif6_500x320.jpg");
  MCV_GOLDEN_OR_SKIP(png_path, "images/exif6_500x320.decoded.png");
  const auto stored = LoadImage(jpeg_path, {.apply_orientation = false});
  const auto want = LoadImage(png_path);
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  ASSERT_TRUE(want.ok()) << want.status().ToString();
  EXPECT_EQ(stored->info.orientation, 6);
  ASSERT_EQ(stored->image.pixels.size(), want->image.pixels.size());
  int largest = 0;
  for (size_t i = 0; i < want->image.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(stored->image.pixels[i] - want->image.pixels[i]));
  }
  EXPECT_LE(largest, 3);
  const auto upright = LoadImage(jpeg_path);
  ASSERT_TRUE(upright.ok());
  EXPECT_EQ(upright->image.width, 320);
  EXPECT_EQ(upright->image.height, 500);
}

}  // namespace
}  // namespace mcv
