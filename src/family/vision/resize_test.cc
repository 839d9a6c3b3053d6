#include "family/vision/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "family/vision/bicubic.h"

namespace mcv {
namespace {

// All three channels carry the same rows.
Image Gray(int width, int height, const std::vector<int>& values) {
  Image image{width, height, {}};
  for (int value : values) image.pixels.insert(image.pixels.end(), 3, static_cast<uint8_t>(value));
  return image;
}

Image Noise(int width, int height, uint64_t seed) {
  Image image{width, height, {}};
  RandomStream random(seed);
  image.pixels.resize(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  for (uint8_t& byte : image.pixels) byte = static_cast<uint8_t>(random.Below(256));
  return image;
}

// The definition, pass by pass over the whole picture, with no window and no bands.
Image TwoPasses(const Image& in, int width, int height) {
  const auto pass = [](const std::vector<uint8_t>& pixels, int outer, int n_in, int inner,
                       int n_out) {
    if (n_in == n_out) return pixels;
    const AxisTaps taps = AntialiasedBicubic(n_in, n_out);
    std::vector<uint8_t> out;
    for (int o = 0; o < outer; ++o) {
      for (int i = 0; i < n_out; ++i) {
        for (int c = 0; c < inner; ++c) {
          int64_t sum = 1 << 21;
          for (int t = 0; t < taps.count[size_t(i)]; ++t) {
            const double w = taps.weights[size_t(i * taps.max_taps + t)] * 4194304.0;
            const int64_t q = static_cast<int64_t>(w < 0 ? w - 0.5 : w + 0.5);
            sum += q * pixels[size_t((o * n_in + taps.first[size_t(i)] + t) * inner + c)];
          }
          out.push_back(static_cast<uint8_t>(std::clamp<int64_t>(sum >> 22, 0, 255)));
        }
      }
    }
    return out;
  };
  const std::vector<uint8_t> wide = pass(in.pixels, in.height, in.width, 3, width);
  return {width, height, pass(wide, 1, in.height, 3 * width, height)};
}

const std::vector<int> kSmall = {0,  10, 20,  30,  40,  50,  60,  70,
                                 80, 90, 100, 110, 120, 200, 255, 13};

void ExpectGray(const Image& image, int width, int height, const std::vector<int>& want) {
  EXPECT_EQ(image.width, width);
  EXPECT_EQ(image.height, height);
  EXPECT_EQ(image.pixels, Gray(width, height, want).pixels) << width << "x" << height;
}

TEST(ResizeTest, GivesTheBytesOfTheReferenceVectors) {
  const Image image = Gray(4, 4, kSmall);
  ExpectGray(ResizeBicubic(image, 2, 2), 2, 2, {28, 48, 126, 120});
  ExpectGray(ResizeBicubic(image, 3, 3), 3, 3, {10, 23, 36, 61, 71, 91, 126, 206, 86});
  ExpectGray(ResizeBicubic(image, 7, 5), 7, 5,
             {0,  1,  7,   13, 19,  25,  29,  25,  29,  35, 41,  47,  53,  57,  59,  62, 65, 68,
              74, 91, 100, 92, 102, 122, 141, 145, 105, 83, 116, 145, 200, 255, 252, 87, 0});
  ExpectGray(ResizeBicubic(image, 2, 6), 2, 6, {3, 21, 22, 40, 52, 71, 76, 97, 137, 126, 183, 144});
}

TEST(ResizeTest, CopiesAnEqualSize) {
  const Image image = Noise(31, 17, 1);
  EXPECT_EQ(ResizeBicubic(image, 31, 17).pixels, image.pixels);
}

TEST(ResizeTest, KeepsAPlainColour) {
  Image image{97, 53, {}};
  for (int i = 0; i < 97 * 53; ++i) image.pixels.insert(image.pixels.end(), {7, 128, 255});
  for (auto [width, height] : {std::pair{14, 14}, {448, 448}, {97, 200}, {20, 53}, {1, 1}}) {
    const Image out = ResizeBicubic(image, width, height);
    ASSERT_EQ(out.pixels.size(), size_t(width) * size_t(height) * 3);
    for (size_t i = 0; i < out.pixels.size(); i += 3) {
      ASSERT_EQ(out.pixels[i], 7);
      ASSERT_EQ(out.pixels[i + 1], 128);
      ASSERT_EQ(out.pixels[i + 2], 255);
    }
  }
}

TEST(ResizeTest, EqualsTwoWholePassesForEveryKindOfShape) {
  RandomStream random(7);
  const auto side = [&] {
    return 1 + static_cast<int>(random.Below(random.Chance(0.5) ? 12 : 90));
  };
  for (int i = 0; i < 300; ++i) {
    const Image image = Noise(side(), side(), 100 + static_cast<uint64_t>(i));
    const int width = random.Chance(0.1) ? image.width : side();
    const int height = random.Chance(0.1) ? image.height : side();
    ASSERT_EQ(ResizeBicubic(image, width, height).pixels, TwoPasses(image, width, height).pixels)
        << image.width << "x" << image.height << " to " << width << "x" << height;
  }
}

TEST(ResizeTest, DoesNotDependOnTheNumberOfThreads) {
  ThreadPool pool(3);
  const Image image = Noise(333, 211, 5);
  for (auto [width, height] : {std::pair{112, 98}, {700, 500}, {333, 70}, {50, 211}}) {
    EXPECT_EQ(ResizeBicubic(image, width, height, &pool).pixels,
              ResizeBicubic(image, width, height).pixels);
  }
}

TEST(ResizeTest, TakesExtremeShapes) {
  const Image wide = ResizeBicubic(Noise(20000, 1, 1), 60004, 14);
  EXPECT_EQ(wide.pixels.size(), size_t{60004} * 14 * 3);
  // Every column of one source row repeats down the picture.
  EXPECT_TRUE(std::equal(wide.pixels.begin(), wide.pixels.begin() + 60004 * 3,
                         wide.pixels.end() - 60004 * 3));
  const Image tall = Noise(1, 20000, 2);
  EXPECT_EQ(ResizeBicubic(tall, 14, 14).pixels, TwoPasses(tall, 14, 14).pixels);
}

TEST(BicubicTest, WeightsOfEveryOutputAddUpToOne) {
  for (int n_in : {1, 2, 3, 4, 5, 8, 27, 100}) {
    for (int n_out : {1, 2, 3, 7, 32, 101}) {
      for (const AxisTaps& taps : {AntialiasedBicubic(n_in, n_out), PlainBicubic(n_in, n_out)}) {
        for (int i = 0; i < n_out; ++i) {
          double sum = 0;
          for (int t = 0; t < taps.count[size_t(i)]; ++t) {
            sum += taps.weights[size_t(i * taps.max_taps + t)];
          }
          EXPECT_NEAR(sum, 1.0, 1e-12);
          EXPECT_GE(taps.first[size_t(i)], i > 0 ? taps.first[size_t(i - 1)] : 0);
          EXPECT_LE(taps.first[size_t(i)] + taps.count[size_t(i)], n_in);
        }
      }
    }
  }
}

}  // namespace
}  // namespace mcv
