#include "formats/image/orientation.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mcv {
namespace {

// A picture whose pixels are letters, and back.
Image FromRows(const std::vector<std::string>& rows) {
  Image image{static_cast<int>(rows[0].size()), static_cast<int>(rows.size()), {}};
  for (const std::string& row : rows) {
    for (char c : row) {
      for (int channel = 0; channel < 3; ++channel) {
        image.pixels.push_back(static_cast<uint8_t>(c + 32 * channel));
      }
    }
  }
  return image;
}

std::vector<std::string> ToRows(const Image& image) {
  std::vector<std::string> rows;
  for (int y = 0; y < image.height; ++y) {
    std::string row;
    for (int x = 0; x < image.width; ++x) {
      const size_t at = 3 * static_cast<size_t>(y * image.width + x);
      EXPECT_EQ(image.pixels[at + 2], image.pixels[at] + 64);
      row += static_cast<char>(image.pixels[at]);
    }
    rows.push_back(row);
  }
  return rows;
}

TEST(OrientationTest, TurnsEveryOrientationUpright) {
  using Rows = std::vector<std::string>;
  // What is stored so that a person sees ABC over DEF.
  const std::pair<int, Rows> stored[] = {
      {1, {"ABC", "DEF"}},     {2, {"CBA", "FED"}},     {3, {"FED", "CBA"}},
      {4, {"DEF", "ABC"}},     {5, {"AD", "BE", "CF"}}, {6, {"CF", "BE", "AD"}},
      {7, {"FC", "EB", "DA"}}, {8, {"DA", "EB", "FC"}},
  };
  for (const auto& [orientation, rows] : stored) {
    Image image = FromRows(rows);
    ASSERT_TRUE(TurnUpright(orientation, &image).ok());
    EXPECT_EQ(ToRows(image), (Rows{"ABC", "DEF"})) << "orientation " << orientation;
  }
}

TEST(OrientationTest, TransposesPicturesLargerThanATile) {
  Image image{75, 41, {}};
  for (int i = 0; i < 75 * 41; ++i) {
    image.pixels.insert(image.pixels.end(), {uint8_t(i / 75), uint8_t(i % 75), 9});
  }
  ASSERT_TRUE(TurnUpright(5, &image).ok());
  ASSERT_EQ(image.width, 41);
  ASSERT_EQ(image.height, 75);
  for (int y = 0; y < 75; ++y) {
    for (int x = 0; x < 41; ++x) {
      ASSERT_EQ(image.pixels[size_t(3 * (y * 41 + x))], x);
      ASSERT_EQ(image.pixels[size_t(3 * (y * 41 + x) + 1)], y);
    }
  }
}

}  // namespace
}  // namespace mcv
