#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "trainer/data/alphabet.h"
#include "trainer/data/damage.h"
#include "trainer/data/generator_parts.h"
#include "trainer/data/patch_labels.h"
#include "trainer/data/questions.h"
#include "trainer/data/test_assets.h"

namespace mcv::trainer {
namespace {

const WordBook& Book() { return TestAssets().parts().words; }

bool IsHeldOutFont(const std::string& family) {
  for (const FontFace& font : Book().fonts()) {
    if (font.family == family) return font.held_out;
  }
  ADD_FAILURE() << "unknown font " << family;
  return false;
}

TEST(Alphabet, IndexInvertsTheList) {
  const auto& alphabet = Alphabet();
  for (size_t i = 0; i < alphabet.size(); ++i) {
    EXPECT_EQ(AlphabetIndex(alphabet[i]), static_cast<int>(i));
  }
  EXPECT_EQ(AlphabetIndex('a'), 0);
  EXPECT_EQ(AlphabetIndex(' '), -1);
}

TEST(Alphabet, Utf8RoundTrip) {
  const std::string text = "a\xC3\xA9\xCE\xB1\xE2\x82\xAC\xF0\x9F\x90\x95";
  std::string again;
  for (char32_t c : CodePoints(text)) AppendUtf8(c, again);
  EXPECT_EQ(again, text);
  EXPECT_EQ(CodePoints(text).size(), 5u);
}

TEST(WordBook, SplitsShareNoWordAndNoFont) {
  for (const bool held_out : {false, true}) {
    for (const SampleKind kind : {SampleKind::kWord, SampleKind::kLine}) {
      for (uint64_t i = 0; i < 3000; ++i) {
        RandomStream random(11, i);
        const TextPlan plan = PlanText(Book(), kind, held_out, PatchGrid{3, 12}, 1.0, random);
        EXPECT_EQ(IsHeldOutFont(plan.family), held_out);
        std::string lower = plan.text;
        for (char& c : lower) {
          if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
        }
        std::istringstream words(lower);
        for (std::string word; words >> word;) EXPECT_EQ(IsHeldOutWord(word), held_out) << word;
      }
    }
  }
}

TEST(WordBook, DifficultyZeroIsCleanLowerCaseDarkOnLight) {
  for (uint64_t i = 0; i < 1000; ++i) {
    RandomStream random(12, i);
    const TextPlan plan = PlanText(Book(), SampleKind::kWord, i % 2, PatchGrid{3, 12}, 0, random);
    for (char c : plan.text) EXPECT_TRUE(c >= 'a' && c <= 'z') << plan.text;
    EXPECT_LE(plan.ink[0], 50);
    EXPECT_GE(plan.paper[0], 225);
    EXPECT_GE(plan.fill, 0.9f);
    EXPECT_EQ(plan.turn, 0);
    EXPECT_EQ(plan.noise, 0);
    EXPECT_EQ(plan.blur, 0);
    EXPECT_FALSE(plan.bold || plan.italic);
  }
}

TEST(WordBook, HarderWordsReachOtherScriptsCapitalsAndDigits) {
  bool greek = false, cyrillic = false, capitals = false, digits = false;
  for (uint64_t i = 0; i < 2000; ++i) {
    RandomStream random(13, i);
    const TextPlan plan = PlanText(Book(), SampleKind::kWord, false, PatchGrid{3, 12}, 1, random);
    const char32_t first = CodePoints(plan.text)[0];
    greek |= first >= 0x3AC && first <= 0x3CE;
    cyrillic |= first >= 0x430 && first <= 0x451;
    capitals |= first >= 'A' && first <= 'Z';
    digits |= first >= '0' && first <= '9';
  }
  EXPECT_TRUE(greek && cyrillic && capitals && digits);
}

// Letters that are no word can only be read by looking: held-out ones are scored beside words.
TEST(WordBook, StringsAreNoWordsAndSplitsShareNone) {
  std::ifstream file(DataPaths().dictionary);
  std::set<std::string> dictionary;
  for (std::string word; std::getline(file, word);) dictionary.insert(word);
  ASSERT_GT(dictionary.size(), 10000u);
  for (const bool held_out : {false, true}) {
    std::set<std::string> seen;
    int words = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      RandomStream random(16, i);
      const TextPlan plan =
          PlanText(Book(), SampleKind::kString, held_out, PatchGrid{3, 12}, 0, random);
      EXPECT_EQ(IsHeldOutWord(plan.text), held_out) << plan.text;
      EXPECT_EQ(IsHeldOutFont(plan.family), held_out);
      words += dictionary.contains(plan.text);
      seen.insert(plan.text);
    }
    EXPECT_EQ(words, 0);
    EXPECT_GT(seen.size(), 950u);
  }
}

TEST(TextPainter, LabelsReadAsTheWord) {
  TextPainter painter;
  for (uint64_t i = 0; i < 300; ++i) {
    RandomStream random(14, i);
    const TextPlan plan = PlanText(Book(), SampleKind::kWord, i % 2, PatchGrid{3, 12}, 0, random);
    PatchTruth patches;
    const Picture picture = painter.Paint(plan, patches);
    ASSERT_EQ(picture.rgb.size(), static_cast<size_t>(42 * 168 * 3));
    // From left to right the labels of the middle row must appear in the order of the word's
    // letters.
    const std::vector<char32_t> letters = CodePoints(plan.text);
    size_t at = 0;
    int labelled = 0;
    for (int col = 0; col < 12; ++col) {
      const int label = patches.label[12 + col];
      if (label < 0) continue;
      ++labelled;
      const size_t number = static_cast<size_t>(patches.number[12 + col] - kMostThings);
      ASSERT_EQ(CharacterLabel(AlphabetIndex(letters[number])), label) << plan.text;
      while (at < letters.size() && CharacterLabel(AlphabetIndex(letters[at])) != label) ++at;
      ASSERT_LT(at, letters.size()) << plan.text << " in " << plan.family;
    }
    EXPECT_GE(labelled * 2, static_cast<int>(letters.size())) << plan.text << " in " << plan.family;
  }
}

TEST(TextPainter, InkShowsAndStaysOffTheSideEdges) {
  TextPainter painter;
  for (uint64_t i = 0; i < 100; ++i) {
    RandomStream random(15, i);
    TextPlan plan = PlanText(Book(), SampleKind::kWord, false, PatchGrid{4, 9}, 1, random);
    plan.blur = plan.noise = 0;
    plan.jpeg_quality = 0;
    plan.slack_x = 0.5f;
    PatchTruth patches;
    const Picture picture = painter.Paint(plan, patches);
    int inked = 0;
    for (int p = 0; p < picture.width * picture.height; ++p) {
      float distance = 0;
      for (int c = 0; c < 3; ++c) distance += std::abs(picture.rgb[p * 3 + c] - plan.paper[c]);
      inked += distance > 40;
      const int x = p % picture.width;
      if (x == 0 || x == picture.width - 1) {
        EXPECT_LT(distance, 40) << plan.text;
      }
    }
    EXPECT_GT(inked, 40) << plan.text;
  }
}

TEST(Damage, KeepsFlatPicturesAndLimitsChange) {
  Picture flat{40, 24, std::vector<uint8_t>(40 * 24 * 3, 120)};
  Picture blurred = flat;
  Blur(blurred, 1.0f);
  EXPECT_EQ(blurred.rgb, flat.rgb);
  Picture compressed = flat;
  CompressLikeJpeg(compressed, 90);
  for (uint8_t value : compressed.rgb) EXPECT_NEAR(value, 120, 2);
  Picture noisy = flat, again = flat;
  AddNoise(noisy, 10, 5);
  AddNoise(again, 10, 5);
  EXPECT_EQ(noisy.rgb, again.rgb);
  double sum = 0, squares = 0;
  for (uint8_t value : noisy.rgb) {
    sum += value - 120.0;
    squares += (value - 120.0) * (value - 120.0);
  }
  const double count = static_cast<double>(noisy.rgb.size());
  EXPECT_NEAR(sum / count, 0, 0.6);
  EXPECT_NEAR(std::sqrt(squares / count), 10, 0.6);
}

TEST(Damage, LowQualityCompressionLosesMoreThanHigh) {
  Picture picture{48, 48, {}};
  RandomStream random(4);
  for (int i = 0; i < 48 * 48 * 3; ++i)
    picture.rgb.push_back(static_cast<uint8_t>(random.Below(256)));
  const auto loss = [&](int quality) {
    Picture copy = picture;
    CompressLikeJpeg(copy, quality);
    double sum = 0;
    for (size_t i = 0; i < copy.rgb.size(); ++i) sum += std::abs(copy.rgb[i] - picture.rgb[i]);
    return sum / static_cast<double>(copy.rgb.size());
  };
  EXPECT_LT(loss(95), loss(50));
  EXPECT_LT(loss(50), loss(10));
}

}  // namespace
}  // namespace mcv::trainer
