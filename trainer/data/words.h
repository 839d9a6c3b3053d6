// Printed words and lines: what is written, in which font, and the picture of it.
//
// Text is laid out by Pango once, at a fixed size, where the font's glyphs are cached, and then
// mapped into the picture by our own resampler: any size, turn and stretch for the price of one,
// and with the softness of a picture that was scaled down, as a user's is.
//
// What is held out: one word in ten, by hash of its letters (random letter strings too), and whole
// families of fonts by name, relatives together (kFontRows in word_book.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "trainer/data/grid.h"
#include "trainer/data/sample.h"

namespace mcv::trainer {

bool IsHeldOutWord(std::string_view word);

struct FontFace {
  std::string family;
  bool held_out = false;
  bool plain = false;  // ordinary enough for difficulty 0
  bool greek = false;  // has the script's letters
  bool cyrillic = false;
};

// Words by script, split, and the fonts that this machine has. Immutable, shared between threads.
class WordBook {
 public:
  enum Script { kLatin, kGreek, kCyrillic, kNumScripts };

  // English words from `dictionary` (one a line), Greek and Russian ones from Unicode's annotations
  // in `annotations_dir`. An error names the missing file, or says that too few fonts are
  // installed.
  static Result<WordBook> Load(const std::string& dictionary, const std::string& annotations_dir);

  // Words of at least min_length and at most max_length letters; never empty for 2 to 12 in Latin.
  const std::string& Draw(Script script, bool held_out, int min_length, int max_length,
                          RandomStream& random) const;
  // Is it one of the words, of either split?
  bool Contains(Script script, const std::string& word) const;
  // At difficulty 0 a plain one, at 1 any.
  const FontFace& DrawFont(Script script, bool held_out, double difficulty,
                           RandomStream& random) const;

  const std::vector<FontFace>& fonts() const { return fonts_; }

 private:
  static constexpr int kMaxLength = 14;
  // by script, split, number of letters
  std::vector<std::string> words_[kNumScripts][2][kMaxLength + 1];
  std::vector<FontFace> fonts_;
};

struct TextPlan {
  PatchGrid grid;
  std::string text;
  std::string family;
  bool bold = false;
  bool italic = false;
  float fill = 0.95f;    // share of the picture's height (or width, where that is the limit)
  bool tight = false;    // fill the height with this text's own ink, not with the font's range
  float stretch = 1;     // of the width
  float turn = 0;        // radians
  float slack_x = 0.5f;  // where in the free room, 0..1
  float slack_y = 0.5f;
  float ink[3] = {0, 0, 0};
  float paper[3] = {255, 255, 255};
  float blur = 0;        // pixels
  float noise = 0;       // standard deviation, levels of 255
  int jpeg_quality = 0;  // 0: not compressed
  uint64_t noise_seed = 0;
};

TextPlan PlanText(const WordBook& book, SampleKind kind, bool held_out, const PatchGrid& grid,
                  double difficulty, RandomStream& random);

// Owns Pango's and Cairo's objects: one for each thread.
class TextPainter {
 public:
  TextPainter();
  ~TextPainter();
  TextPainter(const TextPainter&) = delete;
  TextPainter& operator=(const TextPainter&) = delete;

  // A patch that shows ink is labelled with the character that has most of it.
  Picture Paint(const TextPlan& plan, PatchTruth& patches);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mcv::trainer
